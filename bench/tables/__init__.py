"""Tables of one condition as csv, md and tex, and the summary that a terminal shows.

Every function takes `outs`: paths whose suffixes (.csv, .md, .tex) choose the formats. A csv holds
plain numbers under the names of rd_points.csv; md and tex are for readers. Empty inputs are a
`BenchError`.
"""

from __future__ import annotations

from bench.tables.bd_rate import write_bd_rate
from bench.tables.points import write_points, write_skipped
from bench.tables.summary import write_summary

__all__ = ["write_bd_rate", "write_points", "write_skipped", "write_summary"]
