"""Video: prepared clips, the y4m format, YUV/RGB colour conversion and synthetic clips."""
