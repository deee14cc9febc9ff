"""Write the table of programs outside the suite."""

from adaptor import logged

from bench.tables.programs import write_programs

# Snakemake defines the name `snakemake`: the files and parameters of the job.
job = snakemake  # noqa: F821

with logged(job.log):
    write_programs(job.input.points, outputs=list(job.output))
