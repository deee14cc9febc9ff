"""Video: clips, colour conversion and synthetic clips."""
