# Encode clips to streams. A fit costs hours, so `inputs` is exactly what it depends on: the complete settings of its
# point, and the code of its codec family. The job reads the settings and the device from the plan file.


rule encode:
    input:
        frames=CLIP_FRAMES,
    output:
        stream=RUN.file("stream.bin"),
        report=RUN.file("encode.json"),
    log:
        "logs/encode/{condition}/{clip}/{codec}/{point}/seed{seed}.log",
    priority: PLANS.of_job("priority")
    conda:
        "../envs/suite.yaml"
    threads: PLANS.of_job("threads")
    resources:
        **PLANS.memory("encode"),
        gpu=PLANS.of_job("gpus"),
    params:
        plan=PLANS.file,
        clip=clip_file("{condition}", "{clip}", "clip.json"),
        state="results/state/{condition}/{clip}/{codec}/{point}/seed{seed}",
        # A function of `output`, so that it is no reason to run a job again.
        adopt=option("--adopt", str(config.get("adopt")).lower() == "true"),
        inputs=PLANS.of_job("encode_inputs"),
    shell:
        "exec python -m bench encode --plan {params.plan:q} --codec {wildcards.codec:q} --point {wildcards.point:q} "
        "--seed {wildcards.seed:q} --clip {params.clip:q} --out {output.stream:q} "
        "--report {output.report:q} --state-dir {params.state:q} {params.adopt}--log {log:q}"
