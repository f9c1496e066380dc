"""Goes around a fault of torch: half-precision convolutions of small volumes on a CPU.

With torch 2.13 (oneDNN) on a CPU with AVX-512, the gradient of the weights of a 3D convolution in
bfloat16 is made of memory that nobody wrote, or memory is overwritten, where a side of the volume
is smaller than the kernel: values of 1e38, NaN, now and then "double free or corruption". Kernel 3
fails at 2 voxels, kernel 5 at 1 to 4, kernel 7 at 1 to 4 and more; float32 does not, nor do volumes
that the kernel fits into. U-Nets on small patches and the last stages of a ResNet come that low.
These convolutions are few and small, so they are done in float32.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = (torch.conv3d, torch.conv_transpose3d)


class FullPrecisionForSmallVolumes(TorchFunctionMode):  # type: ignore[misc]
    """While entered, convolutions of volumes smaller than their kernel are done in float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function of torch gives
        """Do one function of torch."""
        if func in _CONVOLUTIONS and _small(args[0], args[1]):
            full = [a.float() if isinstance(a, torch.Tensor) else a for a in args]
            with torch.autocast("cpu", enabled=False):
                return func(*full, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def guarded(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Give the guard where the fault is, and nothing elsewhere."""
    if precision != "32" and device.type == "cpu":
        return FullPrecisionForSmallVolumes()
    return nullcontext()


def _small(volumes: torch.Tensor, kernels: torch.Tensor) -> bool:
    """Tell whether a kernel [K, C, x, y, z] does not fit into volumes [N, C, x, y, z]."""
    sides = zip(volumes.shape[2:], kernels.shape[2:], strict=True)
    return any(side < kernel for side, kernel in sides)
