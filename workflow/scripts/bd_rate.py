"""Write BD-rates against the condition's anchor."""

from adaptor import logged

from bench.analysis.published import Selector
from bench.tables.bd_rate import write_bd_rate

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_bd_rate(
        job.input.points,
        anchor=job.params.anchor,
        metrics=job.params.metrics,
        upper_hull=job.params.upper_hull,
        published=[Selector(**words) for words in job.params.published],
        user_curves=job.input.user_curves or None,
        sequences=job.params.sequences,
        outputs=list(job.output),
    )
