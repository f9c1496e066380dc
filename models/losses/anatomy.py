"""What anatomy forbids, made into parts of a loss: which organ touches, holds and measures what.

The table is YAML (models/configs/anatomy). Of it the loss reads

    segments:
      - {name: Aorta, tubular: true, expected_ml: [10, 900]}      # volume, cldice
    relations:
      never_touch: [[Left kidney, Right kidney]]                  # adjacency
      one_component: [Liver]                                      # one_component
      within: [{inner: Tumour, outer: [Liver], voxels: 3}]        # containment

and nothing else of it. Names are those of the classes of the data; a relation that names a class
which the data do not have is an error, a segment that they do not have is passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.losses.components import OneComponent
from models.losses.neighbours import Containment, NeverTouch
from models.losses.options import AnatomyTerms
from models.losses.tubes import Tubes
from models.losses.volumes import VolumeRange

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Segment(BaseModel):
    """One class: volume in mL that a whole one has (lowest, highest), and whether it is a tube."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    expected_ml: tuple[float, float] | None = None
    tubular: bool = False


class Within(BaseModel):
    """`inner` is nowhere farther than `voxels` from what is of one of the `outer` ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inner: str
    outer: list[str] = Field(min_length=1)
    voxels: int = Field(1, ge=1)


class Relations(BaseModel):
    """What is known of the classes beforehand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    never_touch: list[tuple[str, str]] = []
    one_component: list[str] = []
    within: list[Within] = []


class Table(BaseModel):
    """The part of an anatomy table that the loss needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    segments: list[Segment] = []
    relations: Relations = Relations()


def read_table(file: Path) -> Table:
    """Read an anatomy table.

    Raises:
        ValueError: it cannot be read or is wrong; the text names file and key.
    """
    try:
        return Table(**yaml.safe_load(file.read_text()))
    except OSError as error:
        raise ValueError(f"loss.anatomy.table: {file}: {error.strerror}") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError(f"{file}: {'; '.join(wrong)}") from error


def anatomical_terms(
    options: AnatomyTerms, classes: Sequence[str]
) -> dict[str, tuple[float, Term]]:
    """Make the terms that weigh something.

    Args:
        options: what the configuration says.
        classes: names by index, the background first.

    Returns:
        Name -> weight and term. A term takes logits [N, K, x, y(, z)] and reference
        [N, 1, x, y(, z)] and gives a number that is 0 where nothing is violated.

    Raises:
        ValueError: the table does not go with the classes, or a term that weighs something has
            nothing to go by.
    """
    table = read_table(options.table)
    index = {name: number for number, name in enumerate(classes)}
    makers: dict[str, Callable[[], Term]] = {
        "adjacency": lambda: NeverTouch(_pairs(table, index)),
        "containment": lambda: Containment(_containers(table, index)),
        "one_component": lambda: OneComponent(_numbers(table.relations.one_component, index)),
        "volume": lambda: VolumeRange(_ranges(table, index), _voxel_ml(options)),
        "cldice": lambda: Tubes([index[s.name] for s in _known(table, index) if s.tubular]),
    }
    weights = {name: float(getattr(options, name)) for name in makers}
    return {name: (weights[name], make()) for name, make in makers.items() if weights[name] > 0}


def _numbers(names: Sequence[str], index: Mapping[str, int]) -> list[int]:
    unknown = [name for name in names if name not in index]
    if unknown:
        raise ValueError(f"anatomy table, relations: the data have no class {', '.join(unknown)}")
    return [index[name] for name in names]


def _pairs(table: Table, index: Mapping[str, int]) -> list[tuple[int, int]]:
    pairs = [_numbers(pair, index) for pair in table.relations.never_touch]
    return [(first, second) for first, second in pairs]


def _containers(table: Table, index: Mapping[str, int]) -> list[tuple[int, list[int], int]]:
    return [
        (*_numbers([one.inner], index), _numbers(one.outer, index), one.voxels)
        for one in table.relations.within
    ]


def _known(table: Table, index: Mapping[str, int]) -> list[Segment]:
    return [segment for segment in table.segments if segment.name in index]


def _ranges(table: Table, index: Mapping[str, int]) -> dict[int, tuple[float, float]]:
    known = _known(table, index)
    return {index[one.name]: one.expected_ml for one in known if one.expected_ml is not None}


def _voxel_ml(options: AnatomyTerms) -> float:
    if options.spacing_mm is None:
        raise ValueError("loss.anatomy.spacing_mm: wanted, as loss.anatomy.volume weighs something")
    millilitres = 1e-3
    for side in options.spacing_mm:
        millilitres *= side
    return millilitres
