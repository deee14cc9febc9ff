"""HiNeRV: hierarchical encoding-based neural representation (Kwan et al., NeurIPS 2023)."""
