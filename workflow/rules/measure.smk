# Streams become records: decoded by a process of their own that sees nothing else, then scored.


rule measure:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        stream=RUN.file("stream.bin"),
        report=RUN.file("encode.json"),
    output:
        crop=RUN.file("crop.png"),
        record=RUN.file("record.json"),
        frames=RUN.file("frames.csv"),
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
        "exec python -m bench measure --condition {wildcards.condition} --codec {wildcards.codec} --point {wildcards.point} "
        "--run {params.run} --device {params.device} --clip {input.info} --stream {input.stream} --report {input.report} "
        "--out {output.record} --frames-csv {output.frames} --crop {output.crop} --log {log}"


# Streams of long fits that the repository tracks: nobody fits them again, everybody scores them again.
use rule measure as measure_reference with:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        stream=REFERENCE_RUN.file("stream.bin"),
        report=REFERENCE_RUN.file("encode.json"),
    output:
        crop=REFERENCE_RUN.file("crop.png"),
        record=REFERENCE_RUN.file("record.json"),
        frames=REFERENCE_RUN.file("frames.csv"),
    log:
        "logs/measure/{condition}/{clip}/{codec}/{point}/reference-seed{seed}.log",
    params:
        run="reference-seed{seed}",
        device=PLANS.stated("device"),
        inputs=PLANS.planned("measure_inputs"),
        sources=PLANS.planned("measure_sources"),
