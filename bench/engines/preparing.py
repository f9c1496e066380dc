"""Trains each network for a minute and writes it in every format; what is there is not made again.

Run as `python -m bench.engines.preparing FOLDER [--quick]`.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from bench.engines.networks import NETWORKS, QUICK, Network, picture
from node.engines.onnx_building import quantised
from node.engines.openvino_building import convert

CALIBRATED_ON, LOOKED_AT, TOLD = 6, 3, 16


def prepare(name: str, network: Network, folder: Path) -> None:
    """Train, export and quantise one network; keep pictures to measure with.

    The files: weights.pt, network.onnx, int8.onnx, f32.xml, int8.xml, pictures.npy, reference.npy,
    trained.json. What was trained for another number of steps is made again.
    """
    made = folder / "trained.json"
    if made.is_file() and json.loads(made.read_text())["steps"] == network.steps:
        return
    print(f"preparing {name}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    module = _trained(network)
    torch.save(module.state_dict(), folder / "weights.pt")
    chance = torch.Generator().manual_seed(2)
    pairs = [
        picture(network.shape, chance, classifies=network.classifies)
        for _ in range(CALIBRATED_ON + LOOKED_AT)
    ]
    drawn = [image.numpy() for image, _ in pairs]
    torch.onnx.export(
        module,
        (torch.from_numpy(drawn[0]),),
        str(folder / "network.onnx"),
        dynamo=not network.by_tracing,
        opset_version=17 if network.by_tracing else 18,
        external_data=False,
        verbose=False,
        input_names=["image"],
        output_names=["pred"],
    )
    quantised(folder / "network.onnx", folder / "int8.onnx", drawn[:CALIBRATED_ON], symmetric=False)
    convert(folder / "network.onnx", folder / "f32.xml")
    convert(folder / "int8.onnx", folder / "int8.xml")
    looked_at = np.concatenate(drawn[CALIBRATED_ON:])
    np.save(folder / "pictures.npy", looked_at)
    with torch.inference_mode():
        found = [module(torch.from_numpy(one[np.newaxis])).numpy() for one in looked_at]
    np.save(folder / "reference.npy", np.concatenate(found))
    if network.classifies:  # three pictures do not say how often it is right
        pairs = [picture(network.shape, chance, classifies=True) for _ in range(TOLD)]
        with torch.inference_mode():
            found = [module(image).numpy() for image, _ in pairs]
    else:
        pairs = pairs[CALIBRATED_ON:]
    right = is_right(np.concatenate(found), np.concatenate([said.numpy() for _, said in pairs]))
    made.write_text(json.dumps({"steps": network.steps, "reference_is_right": right}))
    print(f"{name}: right in {right:.3f} after {network.steps} steps", file=sys.stderr)


def is_right(scores: np.ndarray, wanted: np.ndarray) -> float:
    """Give Dice with the truth for a mask, for classes the part of pictures told right."""
    told = scores.argmax(1)
    if scores.ndim == 2:
        return float((told == wanted).mean())
    total = int((told == 1).sum()) + int((wanted == 1).sum())
    return 2.0 * int(((told == 1) & (wanted == 1)).sum()) / total if total else 1.0


def _trained(network: Network) -> torch.nn.Module:
    """Train on toy pictures, in bf16 where that is faster: enough to have real ranges."""
    torch.manual_seed(0)
    module: torch.nn.Module = network.build()
    optimiser = torch.optim.AdamW(module.parameters(), 5e-4 if network.classifies else 2e-3)
    chance = torch.Generator().manual_seed(1)
    channels = network.shape[1]
    patch = (1, channels, *[network.patch] * (len(network.shape) - 2))
    together = 4 if network.classifies else 1
    module.train()
    for _ in range(network.steps):
        drawn = [picture(patch, chance, classifies=network.classifies) for _ in range(together)]
        images, wanted = (torch.cat(one) for one in zip(*drawn, strict=True))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = module(images)
        loss = torch.nn.functional.cross_entropy(scores.float(), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval()


def main() -> None:
    """Prepare every network below the folder that the command line names."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    networks = QUICK if "--quick" in sys.argv else NETWORKS
    for name, network in networks.items():
        prepare(name, network, Path(sys.argv[1]) / name.replace(" ", "_"))


if __name__ == "__main__":
    main()
