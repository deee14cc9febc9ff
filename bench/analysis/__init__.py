"""Analysis of records: RD curves, BD-rate, bootstrap, costs, ablation, interpolation, published curves.

Functions take the rows of rd_points.csv and return data frames or frozen dataclasses. `bench.tables` formats
them as cells and `bench.figures` draws them; neither calculates.
"""
