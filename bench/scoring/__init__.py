"""Scoring: metrics of decoded frames, measurement of a stream, and records."""
