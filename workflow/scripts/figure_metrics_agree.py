"""Draw ranks by each metric."""

from adaptor import logged

from bench.figures.metrics_agree import draw_metrics_agree

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_metrics_agree(
        job.input.points,
        anchor=job.params.anchor,
        upper_hull=job.params.upper_hull,
        metrics=job.params.metrics,
        outputs=list(job.output),
    )
