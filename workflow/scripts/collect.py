"""Collect records into one table, a row each."""

from adaptor import logged

from bench.scoring.record import collect

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    collect(job.params.records, job.output.points)
