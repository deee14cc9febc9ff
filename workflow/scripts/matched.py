"""Write the table of series at matched points."""

from adaptor import logged

from bench.tables.matched import write_matched

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_matched(
        job.input.points,
        anchor=job.params.anchor,
        metric=job.params.metric,
        rate_bpp=job.params.rate_bpp,
        outputs=list(job.output),
    )
