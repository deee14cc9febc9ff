"""Source sequences: the table, the lock file, download, fetch and preparation of clips."""
