# Sequences become clips: trimmed, cropped and scaled as the condition says, 8-bit 4:2:0.


rule prepare:
    output:
        frames="resources/clips/{condition}/{clip}/clip.y4m",
        info="resources/clips/{condition}/{clip}/clip.json",
    log:
        "logs/prepare/{condition}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        folder=subpath(output.info, parent=True),
        inputs=PLAN.prepare_inputs,
        sources=fingerprint("bench.sources"),
    shell:
        "python -m bench prepare --condition {wildcards.condition} --clip {wildcards.clip} --out {params.folder} 2>&1 | tee {log} >&2"
