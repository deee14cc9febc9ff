"""Collect records into one table, a row each."""

from adaptor import told

from bench.scoring.record import collect

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    collect(job.params.records, job.output.points)
