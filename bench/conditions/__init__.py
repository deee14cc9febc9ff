"""Test conditions: models of the configuration files and their reader."""
