"""Draw the same region of one frame from every codec at about the same rate."""

from adaptor import told

from bench.figures.strip import draw_strip

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    draw_strip(
        job.input.points,
        points_dir=job.params.folder,
        clip=job.wildcards.clip,
        rate_bpp=job.params.rate_bpp,
        frame=job.params.frame,
        footnotes=job.params.footnotes,
        outs=list(job.output),
    )
