# The workflow is workflow/Snakefile. Snakemake resets the default target after an include, so this rule sets it
# again. Without it, `snakemake` would do nothing.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
