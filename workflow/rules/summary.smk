# Records become one table, and that the tables that people read.
# {view} is the condition, or partial/<condition>: the same from the records that exist already.


rule collect:
    input:
        records=PLANS.awaited("record.json"),
    output:
        points="results/tables/{view}/rd_points.csv",
    log:
        "logs/collect/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        records=PLANS.records,
        contents=PLANS.contents,
        sources=fingerprint("bench.record"),
    script:
        "../scripts/collect.py"


rule skipped:
    output:
        csv="results/tables/{view}/skipped.csv",
        md="results/tables/{view}/skipped.md",
        tex="results/tables/{view}/skipped.tex",
    log:
        "logs/skipped/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        skipped=PLANS.skipped,
        sources=fingerprint("bench.tables.points"),
    script:
        "../scripts/skipped.py"


rule points:
    input:
        points="results/tables/{view}/rd_points.csv",
    output:
        csv="results/tables/{view}/points.csv",
        md="results/tables/{view}/points.md",
        tex="results/tables/{view}/points.tex",
    log:
        "logs/points/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        sources=fingerprint("bench.tables.points"),
    script:
        "../scripts/points.py"


rule bd_rate:
    input:
        points="results/tables/{view}/rd_points.csv",
    output:
        csv=report(
            "results/tables/{view}/bd_rate.csv",
            caption="../report/bd_rate.rst",
            category="Tables",
            labels={"table": "BD-rate"},
        ),
        md="results/tables/{view}/bd_rate.md",
        tex="results/tables/{view}/bd_rate.tex",
    log:
        "logs/bd_rate/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.stated("anchor"),
        metrics=PLANS.stated("metrics"),
        sources=fingerprint("bench.tables.bd_rate"),
    script:
        "../scripts/bd_rate.py"


rule summary:
    input:
        points="results/tables/{view}/rd_points.csv",
        skipped="results/tables/{view}/skipped.csv",
    output:
        txt="results/tables/{view}/summary.txt",
    log:
        "logs/summary/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.stated("anchor"),
        headline=PLANS.stated("headline"),
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        sources=fingerprint("bench.tables.summary"),
    script:
        "../scripts/summary.py"
