"""Studies of fitted networks: cost, step time, width search and bit breakdown."""
