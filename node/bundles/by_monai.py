"""A bundle in the model's own process that MONAI runs, not our pipeline; see `node.bundles.child`.

It takes whole volumes only: nothing is streamed, nothing of it is compiled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from node.bundles import label_maps
from node.clock import Clock
from node.engines.monai_bundle import MonaiBundle
from node.engines.windows import NotNumbersError

WHY = "MONAI's own pipeline takes the whole volume"


class ByMonai:
    """The bundle that this process serves."""

    def __init__(self, request: Mapping[str, Any], clock: Clock) -> None:
        """Load it."""
        started = clock.monotonic()
        self._clock = clock
        self._makes_labels: bool = request["makes_labels"]
        self._bundle = MonaiBundle(
            Path(request["bundle"]),
            Path(request["weights"]),
            threads=request["threads"],
            device=request.get("device", ""),
        )
        self.facts = {**self._bundle.describe()}
        self._load = {"load": clock.monotonic() - started}

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at one volume; the label map goes to the file `answer`, the rest into the reply."""
        voxels = np.load(request["voxels"], mmap_mode="r")
        affine = np.array(request["affine"], dtype=np.float64)
        try:
            outcome, seconds = self._bundle.run(voxels, affine, self._clock.monotonic)
        except NotNumbersError as error:
            return {"surprise": str(error)}
        reply: dict[str, Any] = {"seconds": {**self._load, **seconds}, "windows": 1}
        self._load = {}
        if not self._makes_labels:
            return {**reply, "values": [float(value) for value in outcome.ravel()]}
        if not label_maps.is_whole(outcome):
            return {"surprise": "labels that are no whole numbers; is nearest_interp true?"}
        label_maps.write(Path(request["answer"]), label_maps.label_map(outcome))
        return {**reply, "labels": request["answer"]}

    def begin(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say that slices cannot be taken one by one."""
        del request
        return {"why": WHY}

    feed = finish = sample = time = begin

    def advance(self) -> bool:
        """Say that there is nothing to do between requests."""
        return False

    def card_mb(self) -> float:
        """Say how much of an accelerator's memory the bundle holds."""
        return self._bundle.memory_mb()
