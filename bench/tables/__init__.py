"""Tables of one condition as csv, md and tex, and the summary that a terminal shows.

`points.write_points`, `points.write_skipped`, `bd_rate.write_bd_rate`, `summary.write_summary`: each
takes `outs`, paths whose suffixes (.csv, .md, .tex) choose the formats. A csv holds plain numbers under
the names of rd_points.csv; md and tex are for readers. Empty inputs are a `BenchError`.

Nothing is imported here, so that a rule of the workflow depends on the code of its own table alone.
"""
