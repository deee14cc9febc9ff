"""Write the table of frame interpolation."""

from adaptor import told

from bench.tables.interpolation import write_interpolation

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_interpolation(job.input.points, metrics=job.params.metrics, outs=list(job.output))
