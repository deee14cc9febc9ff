"""NeRV: neural representations for videos (Chen et al., NeurIPS 2021)."""
