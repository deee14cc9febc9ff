"""Write the points that no codec can code, and why."""

from dataclasses import fields

from adaptor import logged

from bench.base.csv_files import write_csv
from bench.tables.points import write_skipped
from bench.workflow.plan import Skip

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_csv(job.output.csv, job.params.skipped, [field.name for field in fields(Skip)])
    write_skipped(job.output.csv, outputs=list(job.output))
