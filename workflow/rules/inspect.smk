# Inspect fitted networks, each series at its point nearest to the condition's rate. This decodes streams and imports
# torch, so it runs in a command of its own; the scripts of all other tables and figures import no torch.


rule figure_parts:
    input:
        points="results/tables/{selection}/rd_points.csv",
        streams=PLANS.result_files("stream.bin"),
    output:
        pdf="results/figures/{selection}/parts_{clip}.pdf",
        svg="results/figures/{selection}/parts_{clip}.svg",
        png=report(
            "results/figures/{selection}/parts_{clip}.png",
            caption="../report/parts.rst",
            category="Looking inside",
            labels={"clip": "{clip}", "shows": "parts of frames"},
        ),
    log:
        "logs/figures/{selection}/parts_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        frame=PLANS.of_condition("strip_frame"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        sources=code_fingerprint("bench.cli.inspect_condition"),
    shell:
        "exec python -m bench inspect-condition --points {input.points:q} --clip {wildcards.clip:q} --rate-bpp {params.rate_bpp} "
        "--frame {params.frame} --pictures {output:q} --log {log:q}"


rule inspect:
    input:
        points="results/tables/{selection}/rd_points.csv",
        streams=PLANS.result_files("stream.bin"),
    output:
        csv="results/tables/{selection}/bits_{clip}.csv",
        md="results/tables/{selection}/bits_{clip}.md",
        tex="results/tables/{selection}/bits_{clip}.tex",
        html=report(
            "results/tables/{selection}/bits_{clip}.html",
            caption="../report/bits.rst",
            category="Looking inside",
            labels={"clip": "{clip}", "shows": "bits of each stage"},
        ),
    log:
        "logs/inspect/{selection}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        sources=code_fingerprint("bench.tables.bit_breakdown", "bench.inr.study.bit_breakdown"),
    shell:
        "exec python -m bench inspect-condition --points {input.points:q} --clip {wildcards.clip:q} --rate-bpp {params.rate_bpp} "
        "--tables {output:q} --log {log:q}"
