"""Analysis: RD curves, BD-rate, bootstrap intervals and published curves; tables and figures draw them."""
