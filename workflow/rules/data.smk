# Download sequences and prepare clips from them: trimmed, cropped and scaled as in the condition, 8-bit 4:2:0.


# The downloaded file (resources/sequences) is not an output. Snakemake deletes outputs before a job, and if a user
# deleted the file to free space, its next download would make every clip of it out of date. The output is the
# receipt. The rule runs where Snakemake runs, since a cluster's nodes may have no network.
rule fetch:
    output:
        clip_file("{condition}", "{clip}", "source.json"),
    log:
        "logs/fetch/{condition}/{clip}.log",
    localrule: True
    conda:
        "../envs/suite.yaml"
    resources:
        download=1,
    params:
        sequence=PLANS.of_job("sequence"),
    shell:
        "exec python -m bench fetch {params.sequence:q} --receipt {output:q} --log {log:q}"


# A digest identifies the source, so its date does not matter (`ancient`).
rule prepare:
    input:
        ancient(PLANS.of_job("download_receipt")),
    output:
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        info=clip_file("{condition}", "{clip}", "clip.json"),
    log:
        "logs/prepare/{condition}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    resources:
        **PLANS.memory("prepare"),
    params:
        plan=PLANS.file,
        folder=subpath(output.info, parent=True),
        inputs=PLANS.of_job("prepare_inputs"),
        sources=code_fingerprint("bench.sequences.prepare"),
    shell:
        "exec python -m bench prepare --plan {params.plan:q} --clip {wildcards.clip:q} --out {params.folder:q} --log {log:q}"


# The same for clips of the chosen condition whose truth is RGB (a sequence of PNG or JPEG frames).
use rule prepare as prepare_rgb with:
    output:
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        info=clip_file("{condition}", "{clip}", "clip.json"),
        rgb=clip_file("{condition}", "{clip}", "clip.rgb.npy"),
    wildcard_constraints:
        condition=re.escape(CONDITION),
        clip="|".join(map(re.escape, PLAN.rgb_clips)) or "(?!)",


ruleorder: prepare_rgb > prepare
