"""What a training run is told: a YAML file, checked key by key before anything is loaded.

Every key that is not known is an error that names it. Values of the file can be replaced on the
command line: `--set training.epochs=3 --set network.options.dropout=0.1`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.losses.options import Loss

MAY_CHANGE = ("output", "training.epochs", "training.minutes", "training.patience")
MAY_CHANGE += ("training.workers", "training.checkpoint_every")
"""Keys that may differ when a run is taken up again; any other one would make it another run."""


class ConfigError(ValueError):
    """The configuration is wrong; the text names the key."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """What is learnt from: a data set of `models.data` and its options."""

    dataset: str
    options: dict[str, Any] = {}


class Network(_Section):
    """What learns: a network of `models.networks`. Channels and classes come from the data."""

    name: str
    options: dict[str, Any] = {}


class Optimiser(_Section):
    """How weights are changed: AdamW. Steps are changes of the weights, not batches.

    `clip` is the greatest norm of the gradient (null: any). Biases and norms are not decayed.
    """

    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-5, ge=0)
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    clip: float | None = Field(1.0, gt=0)


class Training(_Section):
    """How long, in what portions and how exactly.

    An epoch is the whole data set, or `steps_per_epoch` changes of the weights. A change of the
    weights takes `batch_size` * `accumulate` items. `patience` counts validations without a gain.
    `checkpoint_every` counts changes of the weights (null: at the end of an epoch only). `minutes`
    is the time that all runs together may take. `ema` is the decay of averaged weights. `window` is
    the size of patches in which images are validated that are too big to be validated at once.
    """

    epochs: int = Field(ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(2, ge=1)
    accumulate: int = Field(1, ge=1)
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    patience: int | None = Field(None, ge=1)
    validate_every: int = Field(1, ge=1)
    checkpoint_every: int | None = Field(None, ge=1)
    workers: int = Field(0, ge=0)
    ema: float | None = Field(None, gt=0, lt=1)
    minutes: float | None = Field(None, gt=0)
    window: tuple[int, ...] | None = None
    initial_weights: Path | None = None


class Config(_Section):
    """A whole run."""

    name: str = Field(pattern=r"^[\w.-]+$")
    seed: int = Field(0, ge=0)
    data: Data
    network: Network
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    training: Training
    output: Path | None = None

    @property
    def folder(self) -> Path:
        """Where everything goes that the run makes: `output`, or var/models/NAME."""
        return self.output or Path("var/models") / self.name

    def plain(self) -> dict[str, Any]:
        """Give the whole configuration as plain values, for JSON."""
        return self.model_dump(mode="json")


def read_config(file: Path, changes: Sequence[str] = (), output: Path | None = None) -> Config:
    """Read a configuration.

    Args:
        file: YAML.
        changes: "key.of.it=value", the value in YAML.
        output: folder instead of the one that it names.

    Raises:
        ConfigError: the file cannot be read, or a key of it is wrong.
    """
    try:
        values = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: a table of keys and values is wanted")
    for change in changes:
        _put(values, change)
    if output is not None:
        values["output"] = str(output)
    return checked(values, str(file))


def checked(values: Mapping[str, Any], origin: str) -> Config:
    """Make a configuration of plain values.

    Raises:
        ConfigError: a key is wrong; the text names it and where it comes from.
    """
    try:
        return Config(**values)
    except ValidationError as error:
        complaints = [
            f"{origin}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        ]
        raise ConfigError("\n".join(complaints)) from error


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name the keys in which two configurations differ, apart from those that may."""
    old, new = _flat(before), _flat(after)
    keys = [key for key in sorted(old | new) if old.get(key) != new.get(key)]
    return [key for key in keys if key not in MAY_CHANGE]


def _put(values: dict[str, Any], change: str) -> None:
    path, equals, value = change.partition("=")
    *parents, last = path.split(".")
    if not equals or not last:
        raise ConfigError(f"--set {change}: KEY=VALUE is wanted, for example training.epochs=3")
    for key in parents:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {change}: {key} is a value and has no keys of its own")
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {change}: the value is no YAML") from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat
