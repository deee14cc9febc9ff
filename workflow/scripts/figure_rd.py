"""Draw one metric over rate."""

from adaptor import logged

from bench.analysis.published import Selector
from bench.figures.rd import draw_rd

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_rd(
        job.input.points,
        metric=job.wildcards.metric,
        clip=job.params.clip,
        published=[Selector(**words) for words in job.params.published],
        user_curves=job.input.user_curves or None,
        sequences=job.params.sequences,
        footnotes=job.params.footnotes,
        outputs=list(job.output),
    )
