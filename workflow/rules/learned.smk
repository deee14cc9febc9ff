# Weights of the small learned codec that the repository tracks: trained on the bundled sequences but the
# evaluated one. No other rule asks for them: only `snakemake train_learned` trains what is not there.


rule train_learned:
    input:
        collect(
            "baselines/weights/without-{sequence}/mbt2018-mean-{quality}.json",
            sequence=sorted({clip.sequence for clip in PLAN.condition.clips.values()}),
            quality=(1, 2, 3, 4),
        ),


# The recipe is written last; the weights beside it have their digest in their name.
rule train_weights:
    output:
        "baselines/weights/without-{sequence}/mbt2018-mean-{quality}.json",
    log:
        "logs/train_weights/{sequence}/{quality}.log",
    wildcard_constraints:
        sequence="[^/]+",
        quality="[0-9]+",
    conda:
        "../envs/suite.yaml"
    params:
        folder=subpath(output[0], parent=True),
        state="results/state/weights",
    shell:
        "exec python -m baselines.compressai.training --evaluated {wildcards.sequence} --quality {wildcards.quality} "
        "--out {params.folder} --state-dir {params.state} --log {log}"
