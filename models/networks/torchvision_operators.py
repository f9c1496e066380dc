"""Lets torchvision be imported beside a torch for CPUs.

torchvision as it is published is compiled for CUDA torch; beside a CPU-only torch its extension is
not loaded, and `import torchvision` ends with "operator torchvision::nms does not exist", because
it registers shapes of two operators that nobody has declared (pytorch/vision#9085). We declare
them. Networks and transforms then work; calling the two operators themselves does not.
"""

import torch

_OPERATORS = ("nms", "qnms")
_declared: list[torch.library.Library] = []


def declare_missing() -> bool:
    """Declare the operators unless torchvision's extension or somebody else does.

    Call it before the first import of torchvision, timm or PyTorch Lightning; again does no harm.

    Returns:
        Whether anything had to be declared.
    """
    missing = [name for name in _OPERATORS if not hasattr(torch.ops.torchvision, name)]
    if torch.version.cuda is not None or not missing:
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in missing:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)  # a library that is let go takes its declarations with it
    return True
