# Train the weights of the small learned codec that the repository tracks, on the bundled sequences except the
# evaluated one. No other rule has them as input: only `snakemake train_learned` trains missing ones.


rule train_learned:
    input:
        collect(
            "baselines/weights/without-{sequence}/mbt2018-mean-{quality}.json",
            sequence=sorted({clip.sequence for clip in PLAN.condition.clips.values()}),
            quality=(1, 2, 3, 4),
        ),


# The recipe is written last. The name of the weights file beside it contains their digest.
rule train_weights:
    output:
        "baselines/weights/without-{sequence}/mbt2018-mean-{quality}.json",
    log:
        "logs/train_weights/{sequence}/{quality}.log",
    wildcard_constraints:
        sequence=NAME.pattern,
        quality="[0-9]+",
    conda:
        "../envs/suite.yaml"
    params:
        folder=subpath(output[0], parent=True),
        state="results/state/weights",
    shell:
        "exec python -m baselines.compressai.training --evaluated {wildcards.sequence:q} --quality {wildcards.quality:q} "
        "--out {params.folder:q} --state-dir {params.state:q} --log {log:q}"
