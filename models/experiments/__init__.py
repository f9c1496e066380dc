"""Claims that a document made about medical networks, measured again on a machine like this one.

    python -m models experiment NAME [--quick] [--seeds N] [--out docs/experiments]

Each experiment trains its networks on the same crops in every arm, once for each seed, and says
how far the arms differ, with an interval over seeds and cases. What comes out is written down
whether it agrees with the claim or not (docs/experiments.md).

`ground` and `lesions` make the data: small lesions of low contrast, planted into a real CT.
`fitting` trains, `comparing` does the statistics, `results` keeps them, `page` writes them up.
"""

EXPERIMENTS = {
    "dimensions": "models.experiments.dimensions",
    "bits": "models.experiments.bits",
    "cbam": "models.experiments.cbam",
    "amp": "models.experiments.amp",
    "int8": "models.experiments.int8",
    "anatomy": "models.experiments.anatomy",
}
"""Name of an experiment -> its module, which has `Settings` and `run`."""
