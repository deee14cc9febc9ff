"""E-NeRV: disentangled spatial-temporal context for neural video representation (Li et al., ECCV 2022)."""
