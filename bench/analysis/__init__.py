"""Analysis: RD curves, BD-rate, bootstrap intervals, published curves. Tables and figures draw what it computes."""
