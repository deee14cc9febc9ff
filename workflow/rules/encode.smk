# Clips become streams. The clip is `ancient`: that it was made again (its file was deleted, or the
# code that reads sequences changed) is no reason to fit a network again; `inputs` and `clip` say what is.


rule encode:
    input:
        info=ancient("resources/clips/{condition}/{clip}/clip.json"),
        frames=ancient("resources/clips/{condition}/{clip}/clip.y4m"),
    output:
        stream="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/stream.bin",
        report="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/encode.json",
    log:
        "logs/encode/{condition}/{clip}/{codec}/{point}/seed{seed}.log",
    priority: PLAN.priority
    conda:
        "../envs/suite.yaml"
    threads: PLAN.threads
    resources:
        gpu=PLAN.gpus,
    params:
        state="results/state/{condition}/{clip}/{codec}/{point}/seed{seed}",
        device=PLAN.condition.device,
        clip=PLAN.prepare_inputs,
        inputs=PLAN.encode_inputs,
        sources=PLAN.encode_sources,
    shell:
        "python -m bench encode --condition {wildcards.condition} --codec {wildcards.codec} --point {wildcards.point} "
        "--seed {wildcards.seed} --device {params.device} --clip {input.info} --out {output.stream} "
        "--report {output.report} --state-dir {params.state} 2>&1 | tee {log} >&2"
