"""Draw BD-rate over time."""

from adaptor import told

from bench.figures.complexity import draw_complexity

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    draw_complexity(
        job.input.points,
        job.input.times,
        anchor=job.params.anchor,
        metric=job.params.metric,
        footnotes=job.params.footnotes,
        outs=list(job.output),
    )
