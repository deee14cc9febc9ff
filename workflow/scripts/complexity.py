"""Write what each point costs."""

from adaptor import told

from bench.tables.complexity import write_complexity

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_complexity(job.input.points, job.input.times, metric=job.params.metric, outs=list(job.output))
