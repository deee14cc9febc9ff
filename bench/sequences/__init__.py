"""Source sequences: table, lock file, download with retries, archive extraction and preparation of clips."""
