"""The ways in which a bundle's network can be executed on this machine, the best one first.

The last way is always the reference: the bundle's own weights, in the precision that the bundle
states, by the engine that opens them. The others are compiled by `radnode models compile`; they
are ways only once they have stood the gate on this very machine (`node.bundles.gate`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node.bundles.machine import Machine

AUTO = "auto"
ENGINES = ("openvino", "onnxruntime", "torch", "tensorrt")
PRECISIONS = ("f32", "bf16", "f16", "int8")
"""From the safest to the boldest; f16 is for accelerators, bf16 for processors."""

TORCH = ("torchscript", "state_dict")
"""What PyTorch opens."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way: which engine opens which file, and computes in what.

    `digest` holds the sha256 of each file that was compiled for it, by path; it is empty for the
    bundle's own weights, which the bundle's digest covers. `key` names the compiled artefact, ""
    for the reference. `device` is "" (the engine's choice) or "cpu". `boxed` says whether windows
    are laid over the bundle's box, if it has one and the way stood the gate with it.
    """

    engine: str
    precision: str
    weights: Path
    digest: Mapping[Path, str] = field(default_factory=dict)
    key: str = ""
    device: str = ""
    boxed: bool = True

    def __str__(self) -> str:
        """Name it for a person: engine and precision."""
        engine = "torch" if self.engine in TORCH else self.engine
        return f"{engine} {self.precision}{f' on the {self.device}' if self.device else ''}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the configuration asks for a model: an engine and a precision, or "auto"."""

    engine: str = AUTO
    precision: str = AUTO

    def wants(self, engine: str, precision: str) -> bool:
        """Say whether a way of this engine and precision is what was asked for."""
        engine = "torch" if engine in TORCH else engine
        return self.engine in (AUTO, engine) and self.precision in (AUTO, precision)

    @property
    def is_open(self) -> bool:
        """Whether it leaves everything to us."""
        return self == Wish()

    def __str__(self) -> str:
        """Name it for a person."""
        return " ".join(part for part in (self.engine, self.precision) if part != AUTO) or AUTO


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for all models, and for single ones by name."""

    of_all: Wish = field(default_factory=Wish)
    of: Mapping[str, Wish] = field(default_factory=dict)

    def of_model(self, name: str) -> Wish:
        """Give what is asked for one model."""
        return self.of.get(name, self.of_all)


def promising(kind: str, machine: Machine) -> list[tuple[str, str]]:
    """List what is worth compiling, the safest first: engine and precision.

    Args:
        kind: what opens the bundle's own weights: openvino, torchscript or state_dict.
        machine: what there is to compute with.

    Returns:
        For a machine with NVIDIA's accelerator TensorRT's ways after the processor's, so that the
        boldest that stands the gate wins.
    """
    ways = [("openvino", "f32")]
    if machine.has_bf16:
        ways.append(("openvino", "bf16"))
    if machine.has_int8:
        ways.append(("openvino", "int8"))
    if machine.gpu:
        if kind in TORCH:
            ways.append((kind, "f16"))
        ways += [("tensorrt", "f16"), ("tensorrt", "int8")]
    return ways


def possible(kind: str) -> list[tuple[str, str]]:
    """List every way that can be asked for, the safest first within each engine."""
    ways = [("openvino", "f32"), ("openvino", "bf16"), ("openvino", "int8")]
    ways += [("onnxruntime", "f32"), ("onnxruntime", "int8")]
    if kind in TORCH:
        ways += [(kind, "bf16"), (kind, "f16")]
    return [*ways, ("tensorrt", "f16"), ("tensorrt", "int8")]


def candidates(wish: Wish, kind: str, machine: Machine) -> list[tuple[str, str]]:
    """List what to compile for a wish, the safest first."""
    if wish.is_open:
        return promising(kind, machine)
    if wish.engine == AUTO:
        return [way for way in promising(kind, machine) if wish.wants(*way)]
    return [way for way in possible(kind) if wish.wants(*way)]


def advice(name: str, ways: Sequence[Way], machine: Machine, *, tried: bool, there: bool) -> str:
    """Say what to do for a model that leaves NVIDIA's accelerator aside; "" when it does not.

    Args:
        name: the model's.
        ways: those that stood the gate here.
        machine: what there is to compute with.
        tried: whether TensorRT's ways are on record here, kept or not.
        there: whether TensorRT is installed.
    """
    if not machine.gpu or tried or any(way.engine == "tensorrt" for way in ways):
        return ""
    if there:
        return f"nothing of it is built for {machine.gpu}: run `radnode models compile {name}`"
    return (
        f"TensorRT for {machine.gpu} is not installed: see README.md, "
        f"then run `radnode models compile {name}`"
    )
