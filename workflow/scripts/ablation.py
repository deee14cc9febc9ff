"""Write the table of an ablation."""

from adaptor import logged

from bench.tables.ablation import write_ablation

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_ablation(
        job.input.points, variants=job.params.variants, metrics=job.params.metrics, outputs=list(job.output)
    )
