# Figures of one condition, as PDF and SVG for papers and PNG for the rest. A figure depends on the code
# that draws it, so an edit of a plot draws it again and does nothing else.


rule figure_rd:
    input:
        points="results/tables/{view}/rd_points.csv",
        reported=PLANS.reported,
        own=OWN_CURVES,
    output:
        pdf="results/figures/{view}/rd_{metric}.pdf",
        png="results/figures/{view}/rd_{metric}.png",
        svg=report(
            "results/figures/{view}/rd_{metric}.svg",
            caption="../report/rd.rst",
            category="Rate-distortion",
            labels={"metric": "{metric}"},
        ),
    log:
        "logs/figures/{view}/rd_{metric}.log",
    conda:
        "../envs/suite.yaml"
    params:
        clip=None,
        sequences=PLANS.stated("sequences"),
        published=PLANS.stated("selectors"),
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.figures.rd"),
    script:
        "../scripts/figure_rd.py"


# The same of one clip, where a condition has several.
use rule figure_rd as figure_rd_clip with:
    output:
        pdf="results/figures/{view}/{clip}/rd_{metric}.pdf",
        png="results/figures/{view}/{clip}/rd_{metric}.png",
        svg=report(
            "results/figures/{view}/{clip}/rd_{metric}.svg",
            caption="../report/rd.rst",
            category="Rate-distortion",
            labels={"metric": "{metric}", "clip": "{clip}"},
        ),
    log:
        "logs/figures/{view}/{clip}/rd_{metric}.log",
    params:
        clip="{clip}",
        sequences=PLANS.stated("sequences"),
        published=PLANS.stated("selectors"),
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.figures.rd"),


rule figure_ablation:
    input:
        points="results/tables/{view}/rd_points.csv",
    output:
        pdf="results/figures/{view}/ablation.pdf",
        png="results/figures/{view}/ablation.png",
        svg=report(
            "results/figures/{view}/ablation.svg",
            caption="../report/ablation.rst",
            category="Ablation",
            labels={"figure": "variants against the first"},
        ),
    log:
        "logs/figures/{view}/ablation.log",
    conda:
        "../envs/suite.yaml"
    params:
        variants=PLANS.stated("variants"),
        metric=PLANS.stated("headline"),
        sources=code_fingerprint("bench.figures.ablation"),
    script:
        "../scripts/figure_ablation.py"


rule figure_complexity:
    input:
        points="results/tables/{view}/rd_points.csv",
        times="results/tables/{view}/decode_times.csv",
    output:
        pdf="results/figures/{view}/complexity.pdf",
        png="results/figures/{view}/complexity.png",
        svg=report(
            "results/figures/{view}/complexity.svg",
            caption="../report/complexity.rst",
            category="Complexity",
            labels={"figure": "BD-rate over time"},
        ),
    log:
        "logs/figures/{view}/complexity.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.stated("anchor"),
        metric=PLANS.stated("headline"),
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.figures.complexity"),
    script:
        "../scripts/figure_complexity.py"


rule figure_frames:
    input:
        points="results/tables/{view}/rd_points.csv",
        frames=PLANS.awaited("frames.csv"),
    output:
        pdf="results/figures/{view}/frames_{clip}.pdf",
        png="results/figures/{view}/frames_{clip}.png",
        svg=report(
            "results/figures/{view}/frames_{clip}.svg",
            caption="../report/frames.rst",
            category="At one rate",
            labels={"clip": "{clip}", "figure": "quality of each frame"},
        ),
    log:
        "logs/figures/{view}/frames_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metric=PLANS.stated("headline"),
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.figures.frames"),
    script:
        "../scripts/figure_frames.py"


rule figure_strip:
    input:
        points="results/tables/{view}/rd_points.csv",
        crops=PLANS.awaited("crop.png"),
    output:
        pdf="results/figures/{view}/strip_{clip}.pdf",
        svg="results/figures/{view}/strip_{clip}.svg",
        png=report(
            "results/figures/{view}/strip_{clip}.png",
            caption="../report/strip.rst",
            category="At one rate",
            labels={"clip": "{clip}", "figure": "the same region side by side"},
        ),
    log:
        "logs/figures/{view}/strip_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        frame=PLANS.stated("strip_frame"),
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        footnotes=PLANS.stated("footnotes"),
        sources=code_fingerprint("bench.figures.strip"),
    script:
        "../scripts/figure_strip.py"


rule figure_fit:
    input:
        points="results/tables/{view}/rd_points.csv",
        reports=PLANS.awaited("encode.json"),
    output:
        pdf="results/figures/{view}/fit_{clip}.pdf",
        png="results/figures/{view}/fit_{clip}.png",
        svg=report(
            "results/figures/{view}/fit_{clip}.svg",
            caption="../report/fit.rst",
            category="Fitting",
            labels={"clip": "{clip}", "figure": "quality while fitting"},
        ),
    log:
        "logs/figures/{view}/fit_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        rate_bpp=PLANS.stated("strip_rate_bpp"),
        sources=code_fingerprint("bench.figures.fit"),
    script:
        "../scripts/figure_fit.py"
