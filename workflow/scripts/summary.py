"""Write the summary that a terminal shows."""

from adaptor import logged

from bench.tables.summary import write_summary

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_summary(
        job.input.points,
        anchor=job.params.anchor,
        upper_hull=job.params.upper_hull,
        headline=job.params.headline,
        metrics=job.params.metrics,
        rate_bpp=job.params.rate_bpp,
        skipped_csv=job.input.skipped,
        footnotes=job.params.footnotes,
        outputs=list(job.output),
    )
