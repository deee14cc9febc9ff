"""Draw differences of rate over quality."""

from adaptor import logged

from bench.figures.rate_difference import draw_rate_difference

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_rate_difference(
        job.input.points,
        anchor=job.params.anchor,
        upper_hull=job.params.upper_hull,
        metric=job.wildcards.metric,
        outputs=list(job.output),
    )
