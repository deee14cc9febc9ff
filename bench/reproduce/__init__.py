"""Checks of existing results: verify a record, repeat a run from its record, time decoders again."""
