"""Draw the quality of each frame, of every codec at about the same rate."""

from adaptor import logged

from bench.figures.frames import draw_frames

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    draw_frames(
        job.input.points,
        clip=job.wildcards.clip,
        rate_bpp=job.params.rate_bpp,
        metric=job.params.metric,
        footnotes=job.params.footnotes,
        outputs=list(job.output),
    )
