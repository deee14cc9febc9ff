# Targets for people, besides the full run.


# Tables and figures of the measured points. It starts no encode: a partial selection waits for no file.
rule partial:
    input:
        Selection.partial_of(PLAN).targets(config["figures"]),
    log:
        "logs/partial.log",
    conda:
        "../envs/suite.yaml"
    params:
        message=partial_message(PLAN),
    shell:
        "echo {params.message:q} | tee {log:q} >&2"


rule show:
    input:
        f"results/tables/{CONDITION}/summary.txt",
    log:
        "logs/show.log",
    conda:
        "../envs/suite.yaml"
    shell:
        "cat {input:q} 2> {log:q}"
