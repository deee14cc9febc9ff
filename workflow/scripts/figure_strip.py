"""Draw the same region of one frame from every codec at about the same rate."""

from adaptor import logged

from bench.figures.strip import draw_strip

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_strip(
        job.input.points,
        clip=job.wildcards.clip,
        rate_bpp=job.params.rate_bpp,
        frame=job.params.frame,
        footnotes=job.params.footnotes,
        outputs=list(job.output),
    )
