"""Write BD-rates against the condition's anchor."""

from adaptor import told

from bench.tables.bd_rate import write_bd_rate

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_bd_rate(
        job.input.points, anchor=job.params.anchor, metrics=job.params.metrics, outs=list(job.output)
    )
