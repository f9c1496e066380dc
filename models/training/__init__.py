"""The training room: one trainer for every network, on CPU and GPU, that survives being killed.

    python -m models train CONFIG [--output DIR] [--set training.epochs=3 ...]

`config` says what may be configured, `running` puts a run together, `learning` is what happens in a
step, `watching` keeps the checkpoint and the best weights. The same command run again goes on where
the last checkpoint was written.
"""

from models.networks.torchvision_operators import declare_missing

# PyTorch Lightning imports torchmetrics, which imports torchvision.
declare_missing()
