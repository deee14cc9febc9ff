# Clips become streams. A fit costs hours, so its parameters are all that it depends on, and no more:
# `inputs` are the complete settings, `sources` is the code of this codec's family alone.


rule encode:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
    output:
        stream=RUN.file("stream.bin"),
        report=RUN.file("encode.json"),
    log:
        "logs/encode/{condition}/{clip}/{codec}/{point}/seed{seed}.log",
    priority: PLANS.planned("priority")
    conda:
        "../envs/suite.yaml"
    threads: PLANS.planned("threads")
    resources:
        gpu=PLANS.planned("gpus"),
    params:
        state="results/state/{condition}/{clip}/{codec}/{point}/seed{seed}",
        device=PLANS.stated("device"),
        inputs=PLANS.planned("encode_inputs"),
        sources=PLANS.planned("encode_sources"),
    shell:
        "exec python -m bench encode --condition {wildcards.condition} --codec {wildcards.codec} --point {wildcards.point} "
        "--seed {wildcards.seed} --device {params.device} --clip {input.info} --out {output.stream} "
        "--report {output.report} --state-dir {params.state} --log {log}"
