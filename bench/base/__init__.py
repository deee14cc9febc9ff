"""Base: errors, names, files, the ffmpeg binary, processes and progress. Imports nothing of the suite."""
