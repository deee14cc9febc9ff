# A look inside fitted networks, each series at its point nearest to the condition's rate. Their streams
# are decoded for it, which is for the command line to do: the rest of the report never imports torch.


rule figure_parts:
    input:
        points="results/tables/{view}/rd_points.csv",
        streams=PLANS.awaited("stream.bin"),
    output:
        pdf="results/figures/{view}/parts_{clip}.pdf",
        svg="results/figures/{view}/parts_{clip}.svg",
        png=report(
            "results/figures/{view}/parts_{clip}.png",
            caption="../report/parts.rst",
            category="Looking inside",
            labels={"clip": "{clip}", "shows": "parts of frames"},
        ),
    log:
        "logs/figures/{view}/parts_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        frame=PLANS.stated("strip_frame"),
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        sources=code_fingerprint("bench.cli.inspect_condition"),
    shell:
        "exec python -m bench inspect-condition --points {input.points} --clip {wildcards.clip} --rate-bpp {params.rate_bpp} "
        "--frame {params.frame} --pictures {output} --log {log}"


rule inspect:
    input:
        points="results/tables/{view}/rd_points.csv",
        streams=PLANS.awaited("stream.bin"),
    output:
        csv=report(
            "results/tables/{view}/bits_{clip}.csv",
            caption="../report/bits.rst",
            category="Looking inside",
            labels={"clip": "{clip}", "shows": "bits of each stage and tensor"},
        ),
        md="results/tables/{view}/bits_{clip}.md",
        tex="results/tables/{view}/bits_{clip}.tex",
    log:
        "logs/inspect/{view}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        sources=code_fingerprint("bench.tables.bit_breakdown", "bench.inr.study.bit_breakdown"),
    shell:
        "exec python -m bench inspect-condition --points {input.points} --clip {wildcards.clip} --rate-bpp {params.rate_bpp} "
        "--tables {output} --log {log}"
