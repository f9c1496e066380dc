"""What an experiment is told: a file of models/configs/experiments, and smaller if quick."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = Path("models/configs/experiments")


class Settings(BaseModel):
    """What every experiment has: a number of seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: int = Field(ge=1)


Kind = TypeVar("Kind", bound=Settings)


def read_settings(name: str, kind: type[Kind], *, quick: bool, seeds: int | None) -> Kind:
    """Read the settings of an experiment; those under `quick` replace the others when asked to.

    Raises:
        ValueError: a key is wrong; the text names it.
        OSError: there is no such file.
    """
    file = FOLDER / f"{name}.yaml"
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    smaller = values.pop("quick", {})
    if quick:
        values = _merged(values, smaller)
    if seeds is not None:
        values["seeds"] = seeds
    try:
        return kind(**values)
    except ValidationError as error:
        wrong = [f"{file}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ValueError("\n".join(wrong)) from error


def _merged(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
