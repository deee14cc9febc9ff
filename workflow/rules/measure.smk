# Streams become records: decoded by a process of their own that sees nothing else, then scored.


rule measure:
    input:
        info="resources/clips/{condition}/{clip}/clip.json",
        frames="resources/clips/{condition}/{clip}/clip.y4m",
        stream="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/stream.bin",
        report="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/encode.json",
    output:
        crop="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/crop.png",
        record="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/record.json",
        frames="results/points/{condition}/{clip}/{codec}/{point}/seed{seed}/frames.csv",
    log:
        "logs/measure/{condition}/{clip}/{codec}/{point}/seed{seed}.log",
    conda:
        "../envs/suite.yaml"
    resources:
        gpu=PLANS.planned("gpus"),
    params:
        run="seed{seed}",
        device=PLANS.stated("device"),
        inputs=PLANS.planned("measure_inputs"),
        sources=PLANS.planned("measure_sources"),
    shell:
        "python -m bench measure --condition {wildcards.condition} --codec {wildcards.codec} --point {wildcards.point} "
        "--run {params.run} --device {params.device} --clip {input.info} --stream {input.stream} --report {input.report} "
        "--out {output.record} --frames-csv {output.frames} --crop {output.crop} 2>&1 | tee {log} >&2"


# Streams of long fits that the repository tracks: nobody fits them again, everybody scores them again.
use rule measure as measure_reference with:
    input:
        info="resources/clips/{condition}/{clip}/clip.json",
        frames="resources/clips/{condition}/{clip}/clip.y4m",
        stream="results/reference/{condition}/{clip}/{codec}/{point}/seed{seed}/stream.bin",
        report="results/reference/{condition}/{clip}/{codec}/{point}/seed{seed}/encode.json",
    output:
        crop="results/points/{condition}/{clip}/{codec}/{point}/reference-seed{seed}/crop.png",
        record="results/points/{condition}/{clip}/{codec}/{point}/reference-seed{seed}/record.json",
        frames="results/points/{condition}/{clip}/{codec}/{point}/reference-seed{seed}/frames.csv",
    log:
        "logs/measure/{condition}/{clip}/{codec}/{point}/reference-seed{seed}.log",
    params:
        run="reference-seed{seed}",
        device=PLANS.stated("device"),
        inputs=PLANS.planned("measure_inputs"),
        sources=PLANS.planned("measure_sources"),
