# Figures and tables by name, from the list in bench/workflow/targets.py.


for target in NAMED_TARGETS:

    rule:
        name:
            target.name
        input:
            PLANS.target_files(target),


rule list_figures:
    log:
        "logs/list_figures.log",
    localrule: True
    conda:
        "../envs/suite.yaml"
    shell:
        "exec python -m bench list-figures --log {log:q}"


rule plan:
    log:
        "logs/plan.log",
    conda:
        "../envs/suite.yaml"
    params:
        condition=CONDITION,
    shell:
        "exec python -m bench plan --condition {params.condition:q} --log {log:q}"
