# Sequences are downloaded, and become clips: trimmed, cropped and scaled as the condition says,
# 8-bit 4:2:0.


# The file itself (resources/sequences) is no output: Snakemake would remove it before a job, and one
# that a user removed for its room would, once it is needed again, have every clip of it made again.
# A cluster's nodes may have no network, so this runs where Snakemake does.
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
        sequence=PLANS.planned("sequence"),
    shell:
        "exec python -m bench fetch {params.sequence} --receipt {output} --log {log}"


# Digests say whether a source is the same, so its date does not count.
rule prepare:
    input:
        ancient(PLANS.planned("fetched")),
    output:
        frames=clip_file("{condition}", "{clip}", "clip.y4m"),
        info=clip_file("{condition}", "{clip}", "clip.json"),
    log:
        "logs/prepare/{condition}/{clip}.log",
    conda:
        "../envs/suite.yaml"
    params:
        folder=subpath(output.info, parent=True),
        inputs=PLANS.planned("prepare_inputs"),
        sources=code_fingerprint("bench.sequences.prepare"),
    shell:
        "exec python -m bench prepare --condition {wildcards.condition} --clip {wildcards.clip} --out {params.folder} --log {log}"
