"""Scoring: metrics of decoded frames, VMAF, measurement of a stream, and records."""
