"""Draw quality while networks are fitted."""

from adaptor import told

from bench.figures.fit import draw_fit

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    draw_fit(
        job.input.points,
        points_dir=job.params.folder,
        reference_dir=job.params.references,
        clip=job.wildcards.clip,
        rate_bpp=job.params.rate_bpp,
        outs=list(job.output),
    )
