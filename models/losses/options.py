"""What may be said of the loss in a configuration."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class AnatomyTerms(BaseModel):
    """How much each anatomical constraint weighs (0: not at all); see `models.losses`.

    `table` is an anatomy table. `spacing_mm` (of the network's input, one number for each axis) is
    needed for `volume` only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Path
    adjacency: float = Field(0.0, ge=0)
    containment: float = Field(0.0, ge=0)
    one_component: float = Field(0.0, ge=0)
    volume: float = Field(0.0, ge=0)
    cldice: float = Field(0.0, ge=0)
    spacing_mm: tuple[float, ...] | None = None


class Loss(BaseModel):
    """What counts as wrong: weights of the parts, which are added.

    `dice_ce` is for segmentations, `cross_entropy` for classes. `background` says whether Dice
    counts the background, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dice_ce: float = Field(1.0, ge=0)
    cross_entropy: float = Field(1.0, ge=0)
    background: bool = False
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    anatomy: AnatomyTerms | None = None
