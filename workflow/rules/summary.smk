# Collect records into one table, rd_points.csv, and write the tables for readers from it.


rule collect:
    input:
        records=PLANS.result_files("record.json"),
    output:
        points="results/tables/{selection}/rd_points.csv",
    log:
        "logs/collect/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        records=PLANS.records,
        digest=PLANS.records_digest,
        sources=code_fingerprint("bench.scoring.record"),
    script:
        "../scripts/collect.py"


rule skipped:
    output:
        csv="results/tables/{selection}/skipped.csv",
        md="results/tables/{selection}/skipped.md",
        tex="results/tables/{selection}/skipped.tex",
        html=report(
            "results/tables/{selection}/skipped.html",
            caption="../report/skipped.rst",
            category="Tables",
            labels={"table": "skipped points"},
        ),
    log:
        "logs/skipped/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        skipped=PLANS.skipped,
        sources=code_fingerprint("bench.tables.points"),
    script:
        "../scripts/skipped.py"


rule points:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        csv="results/tables/{selection}/points.csv",
        md="results/tables/{selection}/points.md",
        tex="results/tables/{selection}/points.tex",
        html=report(
            "results/tables/{selection}/points.html",
            caption="../report/points.rst",
            category="Tables",
            labels={"table": "rate points"},
        ),
    log:
        "logs/points/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.of_condition("measured_metrics"),
        sources=code_fingerprint("bench.tables.points"),
    script:
        "../scripts/points.py"


rule bd_rate:
    input:
        points="results/tables/{selection}/rd_points.csv",
        reported=PLANS.published_files,
        user_curves=USER_CURVES,
    output:
        csv="results/tables/{selection}/bd_rate.csv",
        md="results/tables/{selection}/bd_rate.md",
        tex="results/tables/{selection}/bd_rate.tex",
        html=report(
            "results/tables/{selection}/bd_rate.html",
            caption="../report/bd_rate.rst",
            category="Tables",
            labels={"table": "BD-rate"},
        ),
    log:
        "logs/bd_rate/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        metrics=PLANS.of_condition("compared_metrics"),
        upper_hull=PLANS.of_condition("upper_hull"),
        sequences=PLANS.of_condition("sequences"),
        published=PLANS.of_condition("selectors"),
        sources=code_fingerprint("bench.tables.bd_rate"),
    script:
        "../scripts/bd_rate.py"


# One job times all decoders and takes all cores, so that no other job runs beside it. It takes long, and only
# targets by name need it. (Snakemake reduces `threads` to the cores that it has. `workflow.cores` would be an error
# on a cluster, even if nothing needs this rule.)
rule retime:
    input:
        records=PLANS.result_files("record.json"),
        streams=PLANS.result_files("stream.bin"),
    output:
        times="results/tables/{selection}/decode_times.csv",
    log:
        "logs/retime/{selection}.log",
    conda:
        "../envs/suite.yaml"
    threads: 1024
    resources:
        gpu=PLANS.gpus,
    params:
        records=PLANS.records,
        digest=PLANS.records_digest,
        device=PLANS.of_condition("device"),
        repeats=3,
        sources=code_fingerprint("bench.codec.decoder_process", "bench.codec.decode"),
    shell:
        "exec python -m bench retime {params.records:q} --out {output.times:q} --repeats {params.repeats} "
        "--device {params.device:q} --log {log:q}"


rule complexity:
    input:
        points="results/tables/{selection}/rd_points.csv",
        times="results/tables/{selection}/decode_times.csv",
    output:
        csv="results/tables/{selection}/complexity.csv",
        md="results/tables/{selection}/complexity.md",
        tex="results/tables/{selection}/complexity.tex",
        html=report(
            "results/tables/{selection}/complexity.html",
            caption="../report/complexity_table.rst",
            category="Tables",
            labels={"table": "complexity"},
        ),
    log:
        "logs/complexity/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metric=PLANS.of_condition("headline"),
        sources=code_fingerprint("bench.tables.complexity"),
    script:
        "../scripts/complexity.py"


rule ablation_table:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        csv="results/tables/{selection}/ablation.csv",
        md="results/tables/{selection}/ablation.md",
        tex="results/tables/{selection}/ablation.tex",
        html=report(
            "results/tables/{selection}/ablation.html",
            caption="../report/ablation.rst",
            category="Tables",
            labels={"table": "ablation"},
        ),
    log:
        "logs/ablation/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        variants=PLANS.of_condition("variants"),
        metrics=PLANS.of_condition("metrics"),
        sources=code_fingerprint("bench.tables.ablation"),
    script:
        "../scripts/ablation.py"


rule interpolation:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        csv="results/tables/{selection}/interpolation.csv",
        md="results/tables/{selection}/interpolation.md",
        tex="results/tables/{selection}/interpolation.tex",
        html=report(
            "results/tables/{selection}/interpolation.html",
            caption="../report/interpolation.rst",
            category="Tables",
            labels={"table": "frame interpolation"},
        ),
    log:
        "logs/interpolation/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.of_condition("measured_metrics"),
        sources=code_fingerprint("bench.tables.interpolation"),
    script:
        "../scripts/interpolation.py"


rule programs:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        csv="results/tables/{selection}/programs.csv",
        md="results/tables/{selection}/programs.md",
        tex="results/tables/{selection}/programs.tex",
        html=report(
            "results/tables/{selection}/programs.html",
            caption="../report/programs.rst",
            category="Tables",
            labels={"table": "programs outside the suite"},
        ),
    log:
        "logs/programs/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        sources=code_fingerprint("bench.tables.programs"),
    script:
        "../scripts/programs.py"


rule reproduction_table:
    input:
        points="results/tables/{selection}/rd_points.csv",
        reported=PLANS.published_files,
    output:
        csv="results/tables/{selection}/reproduction.csv",
        md="results/tables/{selection}/reproduction.md",
        tex="results/tables/{selection}/reproduction.tex",
        html=report(
            "results/tables/{selection}/reproduction.html",
            caption="../report/reproduction.rst",
            category="Tables",
            labels={"table": "published against measured"},
        ),
    log:
        "logs/reproduction/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.of_condition("metrics"),
        sequences=PLANS.of_condition("sequences"),
        published=PLANS.of_condition("selectors"),
        sources=code_fingerprint("bench.tables.reproduction"),
    script:
        "../scripts/reproduction.py"


rule summary:
    input:
        points="results/tables/{selection}/rd_points.csv",
        skipped="results/tables/{selection}/skipped.csv",
    output:
        txt="results/tables/{selection}/summary.txt",
        html=report(
            "results/tables/{selection}/summary.html",
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
    log:
        "logs/summary/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        upper_hull=PLANS.of_condition("upper_hull"),
        headline=PLANS.of_condition("headline"),
        metrics=PLANS.of_condition("metrics"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.tables.summary"),
    script:
        "../scripts/summary.py"


rule matched:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        csv="results/tables/{selection}/matched.csv",
        md="results/tables/{selection}/matched.md",
        tex="results/tables/{selection}/matched.tex",
        html=report(
            "results/tables/{selection}/matched.html",
            caption="../report/matched.rst",
            category="Tables",
            labels={"table": "matched points"},
        ),
    log:
        "logs/matched/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        metric=PLANS.of_condition("headline"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        sources=code_fingerprint("bench.tables.matched"),
    script:
        "../scripts/matched.py"


rule frame_statistics:
    input:
        points="results/tables/{selection}/rd_points.csv",
        frames=PLANS.result_files("frames.csv"),
    output:
        csv="results/tables/{selection}/frame_statistics.csv",
        md="results/tables/{selection}/frame_statistics.md",
        tex="results/tables/{selection}/frame_statistics.tex",
        html=report(
            "results/tables/{selection}/frame_statistics.html",
            caption="../report/frame_statistics.rst",
            category="Tables",
            labels={"table": "statistics over frames"},
        ),
    log:
        "logs/frame_statistics/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metrics=PLANS.of_condition("measured_metrics"),
        sources=code_fingerprint("bench.tables.frame_statistics"),
    script:
        "../scripts/frame_statistics.py"
