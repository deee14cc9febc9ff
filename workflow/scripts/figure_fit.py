"""Draw quality while networks are fitted."""

from adaptor import logged

from bench.figures.fit import draw_fit

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_fit(
        job.input.points,
        clip=job.wildcards.clip,
        rate_bpp=job.params.rate_bpp,
        outputs=list(job.output),
    )
