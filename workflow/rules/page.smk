# The report page, and the frames that it shows. Each stream that is shown is decoded once, in a process of its own.


rule report_frames:
    input:
        points="results/tables/{selection}/rd_points.csv",
        streams=PLANS.result_files("stream.bin"),
        frames=PLANS.result_files("frames.csv"),
    output:
        directory("results/report-frames/{selection}/{clip}"),
    log:
        "logs/report_frames/{selection}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    resources:
        gpu=PLANS.gpus,
    params:
        plan=PLANS.file,
        digest=PLANS.records_digest,
        device=PLANS.of_condition("device"),
        rate_bpp=PLANS.of_condition("strip_rate_bpp"),
        settings=PLANS.of_condition("report_settings"),
        sources=code_fingerprint("bench.report.frame_pictures"),
    shell:
        "exec python -m bench report-frames --plan {params.plan:q} --clip {wildcards.clip:q} --device {params.device:q} "
        "--out {output:q} --log {log:q}"


rule html_report:
    input:
        points="results/tables/{selection}/rd_points.csv",
        records=PLANS.result_files("record.json"),
        frames=PLANS.page_frames,
        bits=PLANS.page_bits,
        reported=PLANS.published_files,
        user_curves=USER_CURVES,
    output:
        report(
            directory("results/report/{selection}"),
            htmlindex="index.html",
            caption="../report/page.rst",
            category="Report page",
            labels={"page": "curves, frames, bits, points, trust"},
        ),
    log:
        "logs/html_report/{selection}.log",
    conda:
        "../envs/suite.yaml"
    params:
        plan=PLANS.file,
        digest=PLANS.records_digest,
        curves=option("--my-curves", USER_CURVES),
        settings=PLANS.of_condition("report_settings"),
        footnotes=PLANS.of_condition("footnotes"),
        sources=code_fingerprint("bench.report.page"),
        assets=digest(page_assets()),
    shell:
        "exec python -m bench report --plan {params.plan:q} --frames {input.frames:q} --bits {input.bits:q} "
        "{params.curves}{input.user_curves:q} --out {output:q} --log {log:q}"
