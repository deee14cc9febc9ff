# Encode clips to streams. A fit costs hours, so `inputs` and `sources` are exactly what it depends on: the complete
# settings of its point, and the code of its codec family. The job reads the settings from the plan file.


rule encode:
    input:
        info=clip_file("{condition}", "{clip}", "clip.json"),
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
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
        gpu=PLANS.of_job("gpus"),
    params:
        plan=PLANS.file,
        state="results/state/{condition}/{clip}/{codec}/{point}/seed{seed}",
        # A function of `output`, so that it is no reason to run a job again.
        adopt=option("--adopt", str(config.get("adopt")).lower() == "true"),
        device=PLANS.of_condition("device"),
        inputs=PLANS.of_job("encode_inputs"),
        sources=PLANS.of_job("encode_sources"),
    shell:
        "exec python -m bench encode --plan {params.plan:q} --codec {wildcards.codec:q} --point {wildcards.point:q} "
        "--seed {wildcards.seed:q} --device {params.device:q} --clip {input.info:q} --out {output.stream:q} "
        "--report {output.report:q} --state-dir {params.state:q} {params.adopt}--log {log:q}"
