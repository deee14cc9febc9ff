# Clips become streams. A fit costs hours, so its parameters are all that it depends on, and no more:
# `inputs` are the complete settings, `sources` is the code of this codec's family alone.


rule encode:
    input:
        info="resources/clips/{condition}/{clip}/clip.json",
        frames="resources/clips/{condition}/{clip}/clip.y4m",
    output:
        stream="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/stream.bin",
        report="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/encode.json",
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
        "python -m bench encode --condition {wildcards.condition} --codec {wildcards.codec} --point {wildcards.point} "
        "--seed {wildcards.seed} --device {params.device} --clip {input.info} --out {output.stream} "
        "--report {output.report} --state-dir {params.state} 2>&1 | tee {log} >&2"
