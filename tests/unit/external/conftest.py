"""Fixtures of the tests of external codecs."""

from tests.unit.external.external_data import codecs  # noqa: F401
