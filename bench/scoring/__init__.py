"""Scoring: metrics, VMAF, measurement and records."""
