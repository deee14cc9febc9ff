# The workflow is workflow/Snakefile. `include` alone would leave no default target here (Snakemake
# resets it after an include), so this rule names it.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
