"""FFNeRV: flow-guided frame-wise neural representation for videos (Lee et al., ACM MM 2023)."""
