"""Write what each point costs."""

from adaptor import logged

from bench.tables.complexity import write_complexity

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_complexity(job.input.points, job.input.times, metric=job.params.metric, outputs=list(job.output))
