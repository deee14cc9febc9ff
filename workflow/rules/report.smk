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
        summary=f"results/tables/{CONDITION}/summary.txt",
        page=f"results/report/{CONDITION}",
    log:
        "logs/show.log",
    conda:
        "../envs/suite.yaml"
    shell:
        "cat {input.summary:q} 2> {log:q}; echo; echo Report page: {input.page:q}/index.html"
