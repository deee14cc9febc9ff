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
        sources=code_fingerprint("bench.scoring.record"),
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
        sources=code_fingerprint("bench.tables.points"),
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
        sources=code_fingerprint("bench.tables.points"),
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
        sources=code_fingerprint("bench.tables.bd_rate"),
    script:
        "../scripts/bd_rate.py"


# Decoders are timed by one job that takes all cores, so that nothing runs beside them; it takes long, and
# only targets by name ask for it. (Snakemake gives a job no more cores than it has; `workflow.cores` would
# be an error wherever jobs go to a cluster, whether anybody asks for this rule or not.)
rule retime:
    input:
        records=PLANS.awaited("record.json"),
        streams=PLANS.awaited("stream.bin"),
    output:
        times="results/tables/{view}/decode_times.csv",
    log:
        "logs/retime/{view}.log",
    conda:
        "../envs/suite.yaml"
    threads: 1024
    resources:
        gpu=PLANS.gpus,
    params:
        records=PLANS.records,
        contents=PLANS.contents,
        device=PLANS.stated("device"),
        repeats=3,
        sources=code_fingerprint("bench.codec.decoder_process", "bench.codec.decode"),
    shell:
        "exec python -m bench retime {params.records} --out {output.times} --repeats {params.repeats} "
        "--device {params.device} --log {log}"


rule complexity:
    input:
        points="results/tables/{view}/rd_points.csv",
        times="results/tables/{view}/decode_times.csv",
    output:
        csv="results/tables/{view}/complexity.csv",
        md="results/tables/{view}/complexity.md",
        tex="results/tables/{view}/complexity.tex",
    log:
        "logs/complexity/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metric=PLANS.stated("headline"),
        sources=code_fingerprint("bench.tables.complexity"),
    script:
        "../scripts/complexity.py"


rule ablation_table:
    input:
        points="results/tables/{view}/rd_points.csv",
    output:
        csv="results/tables/{view}/ablation.csv",
        md="results/tables/{view}/ablation.md",
        tex="results/tables/{view}/ablation.tex",
    log:
        "logs/ablation/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        variants=PLANS.stated("variants"),
        metrics=PLANS.stated("metrics"),
        sources=code_fingerprint("bench.tables.ablation"),
    script:
        "../scripts/ablation.py"


rule interpolation:
    input:
        points="results/tables/{view}/rd_points.csv",
    output:
        csv="results/tables/{view}/interpolation.csv",
        md="results/tables/{view}/interpolation.md",
        tex="results/tables/{view}/interpolation.tex",
    log:
        "logs/interpolation/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.stated("metrics"),
        sources=code_fingerprint("bench.tables.interpolation"),
    script:
        "../scripts/interpolation.py"


rule reproduction_table:
    input:
        points="results/tables/{view}/rd_points.csv",
        reported=PLANS.reported,
    output:
        csv="results/tables/{view}/reproduction.csv",
        md="results/tables/{view}/reproduction.md",
        tex="results/tables/{view}/reproduction.tex",
    log:
        "logs/reproduction/{view}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.stated("metrics"),
        sequences=PLANS.stated("sequences"),
        published=PLANS.stated("selectors"),
        sources=code_fingerprint("bench.tables.reproduction"),
    script:
        "../scripts/reproduction.py"


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
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.tables.summary"),
    script:
        "../scripts/summary.py"
