"""Time the decoders of a view's streams."""

from adaptor import told

from bench.base import process
from bench.cli.retime import retime

# Snakemake puts `snakemake` here: the rule's files and parameters.
job = snakemake  # noqa: F821

with told(job.log):
    process.end_cleanly_on_sigterm()
    process.die_with_parent()
    retime(job.params.records, out=job.output.times, repeats=job.params.repeats, device=job.params.device)
