"""A benchmark and reproducibility suite for neural video representations."""

__version__ = "0.1.0"
