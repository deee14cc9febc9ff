"""Write the summary that a terminal shows."""

from adaptor import told

from bench.tables.summary import write_summary

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    write_summary(
        job.input.points,
        anchor=job.params.anchor,
        headline=job.params.headline,
        rate_bpp=job.params.rate_bpp,
        skipped_csv=job.input.skipped,
        footnotes=job.params.footnotes,
        outs=list(job.output),
    )
