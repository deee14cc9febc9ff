"""Figures of one condition, drawn from its rd_points.csv and the files beside its records.

Every function takes `outs`: paths whose suffixes (.pdf, .png, .svg) choose the formats. The same
inputs give the same bytes. Missing or empty inputs are a `BenchError`.
"""

from __future__ import annotations

from bench.figures.fit import draw_fit
from bench.figures.frames import draw_frames
from bench.figures.rd import draw_rd
from bench.figures.strip import draw_strip

__all__ = ["draw_fit", "draw_frames", "draw_rd", "draw_strip"]
