"""Draw an ablation."""

from adaptor import told

from bench.figures.ablation import draw_ablation

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    draw_ablation(
        job.input.points, variants=job.params.variants, metric=job.params.metric, outs=list(job.output)
    )
