"""Writes checkpoints so that a power cut leaves the old one or the new one, never half of one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside its place, sync it, and rename it into its place.

    Args:
        path: where it belongs; its folder is made.
        write: puts the contents into an open file.

    Raises:
        OSError: the disk is full or may not be written to; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, values: object) -> None:
    """Write plain values as JSON, whole or not at all."""
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write a plain state dict, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_whole(path, lambda file: torch.save(plain, file))


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a checkpoint or a state dict; only tensors and plain values are let in.

    Raises:
        OSError: it cannot be read.
        pickle.UnpicklingError: there is something else in it.
    """
    read: dict[str, Any] = torch.load(  # noqa: TID251 - the trainer's own files, weights_only
        path, map_location="cpu", weights_only=True
    )
    return read


class WholeCheckpoints(CheckpointIO):
    """How Lightning writes and reads checkpoints here."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,  # noqa: ARG002 - Lightning's signature
    ) -> None:
        """Write a checkpoint, whole or not at all."""
        write_whole(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: object = None,  # noqa: ARG002 - Lightning's signature
        weights_only: bool | None = None,  # noqa: ARG002, FBT001 - Lightning's signature; always so
    ) -> dict[str, Any]:
        """Read a checkpoint of ours."""
        return read_tensors(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Let a checkpoint go."""
        Path(path).unlink(missing_ok=True)
