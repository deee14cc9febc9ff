"""Draw one metric over rate."""

from adaptor import told

from bench.figures.rd import draw_rd

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    draw_rd(job.input.points, metric=job.wildcards.metric, outs=list(job.output))
