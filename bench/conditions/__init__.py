"""Test conditions and config.yaml: models of the configuration files and their readers."""
