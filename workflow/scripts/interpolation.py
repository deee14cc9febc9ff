"""Write the table of frame interpolation."""

from adaptor import logged

from bench.tables.interpolation import write_interpolation

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_interpolation(job.input.points, metrics=job.params.metrics, outputs=list(job.output))
