"""Draw an ablation."""

from adaptor import logged

from bench.figures.ablation import draw_ablation

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_ablation(
        job.input.points, variants=job.params.variants, metric=job.params.metric, outputs=list(job.output)
    )
