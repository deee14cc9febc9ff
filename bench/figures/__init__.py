"""Figures of one condition, drawn from its rd_points.csv and the files beside its records.

Each `draw_...` function takes `outputs`, paths whose suffixes (.pdf, .png, .svg) choose the formats. The same
inputs give the same bytes. `bench.analysis` computes all values. Missing or empty inputs are a `BenchError`.

Import the modules themselves: a rule of the workflow then depends on the code of its own figure only.
"""
