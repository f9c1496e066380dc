"""What every network is told: how many channels come in, and how many classes go out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """C of the input [N, C, ...] and K of the logits [N, K, ...]; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_channels: int = Field(ge=1)
    out_channels: int = Field(ge=1)


class SpatialOptions(Options):
    """Options of a network that there is in 3D and in 2D."""

    spatial_dims: Literal[2, 3] = 3
