"""Tables of one condition as CSV, Markdown, LaTeX and HTML, and the summary that the workflow prints.

Each `write_...` function takes `outputs`, paths whose suffixes (.csv, .md, .tex, .html) choose the formats. A
CSV file has plain numbers under the column names of rd_points.csv; the other formats are for readers.
`bench.analysis` computes all values.

Import the modules themselves: a rule of the workflow then depends on the code of its own table only.
"""
