"""The plan of a run: points, outputs, targets and the functions of the Snakemake rules."""
