"""Says what this machine can compute with: its processor's abilities and its accelerator.

Nothing is loaded to find that out: the processor is read from /proc/cpuinfo, the own NVIDIA card is
asked for (`node.bundles.cards`), a Jetson names itself in the device tree.
"""

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from node.bundles.cards import card_name
from node.bundles.interpreters import version_of

ABILITIES = (
    *("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_bf16", "amx_int8", "amx_fp16", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)
"""What engines choose their code by, x86 and ARM; other flags change nothing for a network."""

PACKAGES = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "torchscript": ("torch",),
    "state_dict": ("torch",),
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu13-bindings"),
}
"""Where the version of each engine stands; a JetPack's TensorRT is listed like a package, too."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine computes with.

    `cpu` lists abilities ("avx512_bf16"), `gpu` is "" without one, else name, compute capability
    and driver, as a compiled plan depends on all three.
    """

    architecture: str
    cpu: frozenset[str]
    gpu: str = ""

    @property
    def has_bf16(self) -> bool:
        """Whether the processor multiplies bfloat16 by itself; without, it is slower than f32."""
        return bool(self.cpu & {"avx512_bf16", "amx_bf16", "bf16"})

    @property
    def has_int8(self) -> bool:
        """Whether the processor multiplies 8-bit integers faster than floats."""
        return bool(self.cpu & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})

    def device(self, engine: str) -> str:
        """Name the device that an engine would use, as exactly as compiled files depend on it."""
        if self.gpu and engine != "openvino":
            return self.gpu
        return " ".join((self.architecture, *sorted(self.cpu)))


@cache
def this_machine() -> Machine:
    """Look at this machine, once."""
    return Machine(platform.machine(), _cpu(Path("/proc/cpuinfo")), _jetson() or card_name())


def engine_version(engine: str) -> str:
    """Give the version of an engine that is installed, "" when none is; nothing is imported."""
    return next((found for one in PACKAGES[engine] if (found := version_of(one))), "")


def _cpu(path: Path) -> frozenset[str]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, flags = line.partition(":")
        if key.strip().casefold() in ("flags", "features"):
            return frozenset(flags.split()) & frozenset(ABILITIES)
    return frozenset()


def _jetson() -> str:
    """Name a Jetson and its release; its TensorRT belongs to that very JetPack."""
    try:
        model = Path("/proc/device-tree/model").read_text(encoding="ascii", errors="replace")
        release = Path("/etc/nv_tegra_release").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return f"{model.strip(chr(0)).strip()}, {release.splitlines()[0].strip('# ')[:40]}"
