"""Draw BD-rate over time."""

from adaptor import logged

from bench.figures.complexity import draw_complexity

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_complexity(
        job.input.points,
        job.input.times,
        anchor=job.params.anchor,
        upper_hull=job.params.upper_hull,
        metric=job.params.metric,
        footnotes=job.params.footnotes,
        outputs=list(job.output),
    )
