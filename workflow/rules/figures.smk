# Figures of one condition: PDF and SVG for papers, PNG for everything else. `sources` is the code that draws a
# figure, so an edit of that code draws the figure again and runs no other job.


rule figure_rd:
    input:
        points="results/tables/{selection}/rd_points.csv",
        reported=PLANS.published_files,
        user_curves=USER_CURVES,
    output:
        pdf="results/figures/{selection}/rd_{metric}.pdf",
        png="results/figures/{selection}/rd_{metric}.png",
        svg=report(
            "results/figures/{selection}/rd_{metric}.svg",
            caption="../report/rd.rst",
            category="Rate-distortion",
            labels=metric_labels,
        ),
    log:
        "logs/figures/{selection}/rd_{metric}.log",
    conda:
        "../envs/suite.yaml"
    params:
        clip=None,
        sequences=PLANS.of_condition("sequences"),
        published=PLANS.of_condition("selectors"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.figures.rd"),
    script:
        "../scripts/figure_rd.py"


# The same for one clip of a condition that has several.
use rule figure_rd as figure_rd_clip with:
    output:
        pdf="results/figures/{selection}/{clip}/rd_{metric}.pdf",
        png="results/figures/{selection}/{clip}/rd_{metric}.png",
        svg=report(
            "results/figures/{selection}/{clip}/rd_{metric}.svg",
            caption="../report/rd.rst",
            category="Rate-distortion",
            labels=metric_labels,
        ),
    log:
        "logs/figures/{selection}/{clip}/rd_{metric}.log",
    params:
        clip="{clip}",
        sequences=PLANS.of_condition("sequences"),
        published=PLANS.of_condition("selectors"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.figures.rd"),


rule figure_ablation:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        pdf="results/figures/{selection}/ablation.pdf",
        png="results/figures/{selection}/ablation.png",
        svg=report(
            "results/figures/{selection}/ablation.svg",
            caption="../report/ablation.rst",
            category="Ablation",
            labels={"figure": "variants against the first"},
        ),
    log:
        "logs/figures/{selection}/ablation.log",
    conda:
        "../envs/suite.yaml"
    params:
        variants=PLANS.of_condition("variants"),
        metric=PLANS.of_condition("headline"),
        sources=code_fingerprint("bench.figures.ablation"),
    script:
        "../scripts/figure_ablation.py"


rule figure_complexity:
    input:
        points="results/tables/{selection}/rd_points.csv",
        times="results/tables/{selection}/decode_times.csv",
    output:
        pdf="results/figures/{selection}/complexity.pdf",
        png="results/figures/{selection}/complexity.png",
        svg=report(
            "results/figures/{selection}/complexity.svg",
            caption="../report/complexity.rst",
            category="Complexity",
            labels={"figure": "BD-rate over time"},
        ),
    log:
        "logs/figures/{selection}/complexity.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        upper_hull=PLANS.of_condition("upper_hull"),
        metric=PLANS.of_condition("headline"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.figures.complexity"),
    script:
        "../scripts/figure_complexity.py"


rule figure_frames:
    input:
        points="results/tables/{selection}/rd_points.csv",
        frames=PLANS.result_files("frames.csv"),
    output:
        pdf="results/figures/{selection}/frames_{clip}.pdf",
        png="results/figures/{selection}/frames_{clip}.png",
        svg=report(
            "results/figures/{selection}/frames_{clip}.svg",
            caption="../report/frames.rst",
            category="At one rate",
            labels={"clip": "{clip}", "figure": "quality of each frame"},
        ),
    log:
        "logs/figures/{selection}/frames_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        metric=PLANS.of_condition("headline"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.figures.frames"),
    script:
        "../scripts/figure_frames.py"


rule figure_strip:
    input:
        points="results/tables/{selection}/rd_points.csv",
        crops=PLANS.result_files("crop.png"),
    output:
        pdf="results/figures/{selection}/strip_{clip}.pdf",
        svg="results/figures/{selection}/strip_{clip}.svg",
        png=report(
            "results/figures/{selection}/strip_{clip}.png",
            caption="../report/strip.rst",
            category="At one rate",
            labels={"clip": "{clip}", "figure": "the same region side by side"},
        ),
    log:
        "logs/figures/{selection}/strip_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        frame=PLANS.of_condition("strip_frame"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.figures.strip"),
    script:
        "../scripts/figure_strip.py"


rule figure_fit:
    input:
        points="results/tables/{selection}/rd_points.csv",
        reports=PLANS.result_files("encode.json"),
    output:
        pdf="results/figures/{selection}/fit_{clip}.pdf",
        png="results/figures/{selection}/fit_{clip}.png",
        svg=report(
            "results/figures/{selection}/fit_{clip}.svg",
            caption="../report/fit.rst",
            category="Fitting",
            labels={"clip": "{clip}", "figure": "quality while fitting"},
        ),
    log:
        "logs/figures/{selection}/fit_{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        sources=code_fingerprint("bench.figures.fit"),
    script:
        "../scripts/figure_fit.py"


rule figure_rate_difference:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        pdf="results/figures/{selection}/rate_difference_{metric}.pdf",
        png="results/figures/{selection}/rate_difference_{metric}.png",
        svg=report(
            "results/figures/{selection}/rate_difference_{metric}.svg",
            caption="../report/rate_difference.rst",
            category="Rate-distortion",
            labels={"figure": "difference of rate over quality", "metric": "{metric}"},
        ),
    log:
        "logs/figures/{selection}/rate_difference_{metric}.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        upper_hull=PLANS.of_condition("upper_hull"),
        sources=code_fingerprint("bench.figures.rate_difference"),
    script:
        "../scripts/figure_rate_difference.py"


rule figure_metrics_agree:
    input:
        points="results/tables/{selection}/rd_points.csv",
    output:
        pdf="results/figures/{selection}/metrics_agree.pdf",
        png="results/figures/{selection}/metrics_agree.png",
        svg=report(
            "results/figures/{selection}/metrics_agree.svg",
            caption="../report/metrics_agree.rst",
            category="Rate-distortion",
            labels={"figure": "ranks by each metric"},
        ),
    log:
        "logs/figures/{selection}/metrics_agree.log",
    conda:
        "../envs/suite.yaml"
    params:
        anchor=PLANS.of_condition("anchor"),
        upper_hull=PLANS.of_condition("upper_hull"),
        metrics=PLANS.of_condition("compared_metrics"),
        sources=code_fingerprint("bench.figures.metrics_agree"),
    script:
        "../scripts/figure_metrics_agree.py"
