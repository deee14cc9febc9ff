"""Write the table of all points."""

from adaptor import told

from bench.tables.points import write_points

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_points(job.input.points, outs=list(job.output))
