# Decode streams, each in a process that has no other file, score the frames, and write records.


rule measure:
    input:
        frames=CLIP_FRAMES,
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
        **PLANS.memory("measure"),
        gpu=PLANS.of_job("gpus"),
    params:
        plan=PLANS.file,
        clip=clip_file("{condition}", "{clip}", "clip.json"),
        run="seed{seed}",
        inputs=PLANS.of_job("measure_inputs"),
    shell:
        "exec python -m bench measure --plan {params.plan:q} --codec {wildcards.codec:q} --point {wildcards.point:q} "
        "--run {params.run:q} --clip {params.clip:q} --stream {input.stream:q} --report {input.report:q} "
        "--out {output.record:q} --frames-csv {output.frames:q} --crop {output.crop:q} --threads {threads} --log {log:q}"


# The same for the tracked streams of long fits, which are scored but not fitted again.
use rule measure as measure_reference with:
    input:
        frames=CLIP_FRAMES,
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
        clip=clip_file("{condition}", "{clip}", "clip.json"),
        run="reference-seed{seed}",
        inputs=PLANS.of_job("measure_inputs"),


# The same for the streams of bundles, which are unpacked when the run is planned.
use rule measure as measure_bundle with:
    input:
        frames=CLIP_FRAMES,
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
        clip=clip_file("{condition}", "{clip}", "clip.json"),
        run="bundle-{bundle}-seed{seed}",
        inputs=PLANS.of_job("measure_inputs"),
