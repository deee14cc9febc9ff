"""Write the table of all points."""

from adaptor import logged

from bench.tables.points import write_points

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_points(job.input.points, metrics=job.params.metrics, outputs=list(job.output))
