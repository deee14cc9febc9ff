"""Write the table of published numbers against measured ones."""

from adaptor import told

from bench.analysis.published import Selector
from bench.tables.reproduction import write_reproduction

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_reproduction(
        job.input.points,
        selectors=[Selector(**words) for words in job.params.published],
        metrics=job.params.metrics,
        sequences=job.params.sequences,
        outs=list(job.output),
    )
