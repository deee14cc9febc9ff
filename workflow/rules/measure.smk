# Decode streams, each in a process that has no other file, score the frames, and write records.


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
        gpu=PLANS.of_job("gpus"),
    params:
        plan=PLANS.file,
        run="seed{seed}",
        device=PLANS.of_condition("device"),
        inputs=PLANS.of_job("measure_inputs"),
        sources=PLANS.of_job("measure_sources"),
    shell:
        "exec python -m bench measure --plan {params.plan:q} --codec {wildcards.codec:q} --point {wildcards.point:q} "
        "--run {params.run:q} --device {params.device:q} --clip {input.info:q} --stream {input.stream:q} --report {input.report:q} "
        "--out {output.record:q} --frames-csv {output.frames:q} --crop {output.crop:q} --log {log:q}"


# The same for the tracked streams of long fits, which are scored but not fitted again.
use rule measure as measure_reference with:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        stream=f"{REFERENCES}/stream.bin",
        report=f"{REFERENCES}/encode.json",
    output:
        crop=REFERENCE_RUN.file("crop.png"),
        record=REFERENCE_RUN.file("record.json"),
        frames=REFERENCE_RUN.file("frames.csv"),
    log:
        "logs/measure/{condition}/{clip}/{codec}/{point}/reference-seed{seed}.log",
    params:
        plan=PLANS.file,
        run="reference-seed{seed}",
        device=PLANS.of_condition("device"),
        inputs=PLANS.of_job("measure_inputs"),
        sources=PLANS.of_job("measure_sources"),


# The same for the streams of bundles, which are unpacked when the run is planned.
use rule measure as measure_bundle with:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        stream=f"{BUNDLES}/stream.bin",
        report=f"{BUNDLES}/encode.json",
    output:
        crop=BUNDLE_RUN.file("crop.png"),
        record=BUNDLE_RUN.file("record.json"),
        frames=BUNDLE_RUN.file("frames.csv"),
    log:
        "logs/measure/{condition}/{clip}/{codec}/{point}/bundle-{bundle}-seed{seed}.log",
    params:
        plan=PLANS.file,
        run="bundle-{bundle}-seed{seed}",
        device=PLANS.of_condition("device"),
        inputs=PLANS.of_job("measure_inputs"),
        sources=PLANS.of_job("measure_sources"),
