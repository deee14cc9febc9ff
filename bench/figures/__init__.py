"""Figures of one condition, drawn from its rd_points.csv and the files beside its records.

`rd.draw_rd`, `frames.draw_frames`, `strip.draw_strip`, `fit.draw_fit`: each takes `outs`, paths whose
suffixes (.pdf, .png, .svg) choose the formats, and the same inputs give the same bytes. Missing or
empty inputs are a `BenchError`.

Nothing is imported here, so that a rule of the workflow depends on the code of its own figure alone.
"""
