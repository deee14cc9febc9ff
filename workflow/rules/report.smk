# What people ask for by name beside the full run.


# Draws what exists, starts no encode: its inputs are those of the partial view, which waits for nothing.
rule partial:
    input:
        View.partial_of(PLAN).targets(config["figures"]),
    log:
        "logs/partial.log",
    conda:
        "../envs/suite.yaml"
    params:
        message=partial_message(PLAN),
    shell:
        "echo '{params.message}' | tee {log} >&2"


rule show:
    input:
        f"results/tables/{CONDITION}/summary.txt",
    log:
        "logs/show.log",
    conda:
        "../envs/suite.yaml"
    shell:
        "cat {input} 2> {log}"
