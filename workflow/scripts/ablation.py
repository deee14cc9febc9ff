"""Write the table of an ablation."""

from adaptor import told

from bench.tables.ablation import write_ablation

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_ablation(
        job.input.points, variants=job.params.variants, metrics=job.params.metrics, outs=list(job.output)
    )
