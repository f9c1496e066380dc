"""Gives a CT another contrast phase, scanner, dose and disease: one patient stands for many.

The label map says where each tissue is; a tissue keeps its texture and gets another brightness
(domain randomisation from labels: Billot and others, SynthSeg, 2023; here the texture is real).
All values are HU.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from models.data.anatomy import Anatomy, Look
from models.data.fields import ball, smooth_field


@dataclass(frozen=True, slots=True, eq=False)
class Tissues:
    """The tissues of a volume: `names` by code (0: nothing in particular), and their mean HU."""

    names: tuple[str, ...]
    means: np.ndarray


def tissue_map(
    image: np.ndarray, labels: np.ndarray, structures: tuple[str, ...], anatomy: Anatomy
) -> tuple[np.ndarray, Tissues]:
    """Say for each voxel which tissue it is (uint8 [x, y, z]), and what their means are.

    What nobody labelled is told apart by its HU. Voxels beside labelled bone are never taken for
    contrast agent.
    """
    names = ("", *anatomy.tissues)
    codes = np.zeros(labels.shape, np.uint8)
    table = np.zeros(256, np.uint8)
    for code, tissue in enumerate(anatomy.tissues.values(), start=1):
        table[[n for n, name in enumerate(structures) if name and tissue.holds(name)]] = code
    codes[...] = table[labels]
    bone = torch.from_numpy((codes == names.index("bones"))[None, None].astype(np.float32))
    near_bone = functional.max_pool3d(bone, 5, 1, 2)[0, 0].numpy() > 0
    for code, tissue in enumerate(anatomy.tissues.values(), start=1):
        if tissue.unlabelled:
            low, high = tissue.unlabelled
            codes[(labels == 0) & (codes == 0) & (image >= low) & (image < high)] = code
    codes[near_bone & (codes == names.index("bright"))] = names.index("bones")
    means = np.array(
        [image[codes == n].mean() if (codes == n).any() else 0 for n in range(len(names))]
    )
    return codes, Tissues(names, means)


def repainted(
    image: torch.Tensor,
    codes: torch.Tensor,
    tissues: Tissues,
    anatomy: Anatomy,
    chance: np.random.Generator,
) -> torch.Tensor:
    """Give each tissue another brightness.

    Args:
        image: float32 [x, y, z], HU.
        codes: int64 [x, y, z], tissue of each voxel.
        tissues: what the codes mean.
        anatomy: says how each tissue may look.
        chance: where the choices come from.
    """
    phases = list(anatomy.phases)
    weights = np.array([anatomy.phases[name] for name in phases])
    phase = phases[chance.choice(len(phases), p=weights / weights.sum())]
    gain, offset = np.ones(len(tissues.names)), np.zeros(len(tissues.names))
    for code, name in enumerate(tissues.names):
        look = anatomy.tissues[name].look(phase) if name else None
        if look:
            gain[code], offset[code] = _line(look, tissues.means[code], chance)
    table = torch.from_numpy(np.stack([gain, offset])).float()
    fields = functional.avg_pool3d(table[:, codes][None], 3, 1, 1, count_include_pad=False)[0]
    return image * fields[0] + fields[1]


def _line(look: Look, mean: float, chance: np.random.Generator) -> tuple[float, float]:
    keep = chance.uniform(*look.keep)
    if look.hu:
        return keep, chance.uniform(*look.hu) - keep * mean
    shift = chance.uniform(*look.shift) if look.shift else 0.0
    return keep, mean * (1 - keep) + shift


def with_disease(
    image: torch.Tensor, lungs: torch.Tensor, body: torch.Tensor, chance: np.random.Generator
) -> torch.Tensor:
    """Put consolidations into lungs and lesions anywhere, which change no label.

    Args:
        image: float32 [x, y, z], HU.
        lungs: bool [x, y, z].
        body: bool [x, y, z], what is not air around the patient.
        chance: where the choices come from.
    """
    size = image.shape[0]
    for where, likely, low, high in ((lungs, 0.3, -500.0, 60.0), (body, 0.3, -20.0, 120.0)):
        if chance.random() > likely or not bool(where.any()):
            continue
        for _ in range(int(chance.integers(1, 4))):
            places = torch.nonzero(where)
            middle = places[int(chance.integers(len(places)))].numpy()
            spot = ball(size, middle, chance.uniform(2, 10, 3), 0.5) * where
            spot = spot * float(chance.uniform(0.3, 1.0))
            image = image * (1 - spot) + spot * float(chance.uniform(low, high))
    return image


def scanned(image: torch.Tensor, chance: np.random.Generator) -> torch.Tensor:
    """Image it again: thick slices, smooth or sharp kernel, noise, a scanner that is a little off.

    Args:
        image: float32 [x, y, z], HU.
        chance: where the choices come from.
    """
    size = image.shape[0]
    if chance.random() < 0.35:
        image = _thick(image, int(chance.integers(2, 4)))
    if chance.random() < 0.4:
        blurred = functional.avg_pool3d(image[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
        image = image + float(chance.uniform(-0.8, 0.9)) * (blurred - image)
    if chance.random() < 0.6:
        generator = torch.Generator().manual_seed(int(chance.integers(2**31)))
        noise = torch.randn(image.shape, generator=generator)
        if chance.random() < 0.5:
            noise = 2.5 * functional.avg_pool3d(noise[None, None], 3, 1, 1)[0, 0]
        image = image + float(chance.uniform(3, 60)) * noise
    if chance.random() < 0.2:
        image = image + 15 * smooth_field(chance, size, 4, 1)[0]
    return image * float(chance.uniform(0.97, 1.03)) + float(chance.uniform(-12, 12))


def _thick(image: torch.Tensor, slices: int) -> torch.Tensor:
    """Average neighbouring planes along z, and draw lines between the means."""
    thick = functional.avg_pool3d(image[None, None], (1, 1, slices), (1, 1, slices), ceil_mode=True)
    return functional.interpolate(thick, size=image.shape, mode="trilinear")[0, 0]
