# Figures and tables by name; bench/workflow/targets.py is the list.


for target in NAMED:

    rule:
        name:
            target.name
        input:
            PLANS.named(target),


rule list_figures:
    log:
        "logs/list_figures.log",
    localrule: True
    conda:
        "../envs/suite.yaml"
    shell:
        "exec python -m bench list-figures --log {log}"


rule plan:
    log:
        "logs/plan.log",
    conda:
        "../envs/suite.yaml"
    params:
        condition=CONDITION,
    shell:
        "exec python -m bench plan --condition {params.condition} --log {log}"
