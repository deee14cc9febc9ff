"""Write the table of published numbers against measured ones."""

from adaptor import logged

from bench.analysis.published import Selector
from bench.tables.reproduction import write_reproduction

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_reproduction(
        job.input.points,
        selectors=[Selector(**words) for words in job.params.published],
        metrics=job.params.metrics,
        sequences=job.params.sequences,
        outputs=list(job.output),
    )
