"""Write BD-rates against the condition's anchor."""

from adaptor import logged

from bench.tables.bd_rate import write_bd_rate

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_bd_rate(
        job.input.points, anchor=job.params.anchor, metrics=job.params.metrics, outputs=list(job.output)
    )
