"""Write the table of statistics over frames."""

from adaptor import logged

from bench.tables.frame_statistics import write_frame_statistics

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_frame_statistics(job.input.points, metrics=job.params.metrics, outputs=list(job.output))
