"""Has the node's own runner look at images, so that what is evaluated is what runs in clinic."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from models.evaluation.images import Image
from node.bundles.manifest import Bundle
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf, to_be_evaluated
from node.dicom.findings import Findings
from node.rules.failures import Refusal

TIMEOUT_SECONDS = 3600.0


class UnfitBundleError(ValueError):
    """The bundle cannot be run; the text says why."""


def open_bundle(folder: Path) -> Bundle:
    """Give a bundle: with what was compiled of it if it is on its shelf, else as it lies there.

    Raises:
        UnfitBundleError: it is not fit to run.
    """
    folder = folder.resolve()
    on_shelf = Shelf(folder.parent).get(folder.name)
    if isinstance(on_shelf, Bundle):
        return on_shelf
    found = to_be_evaluated(folder)
    if isinstance(found, Refusal):
        raise UnfitBundleError(str(found))
    return found


@dataclass(slots=True)
class Seat:
    """A bundle and the runner that serves it; use it in a `with`."""

    bundle: Bundle
    threads: int = 2
    facts: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    _runner: Runner | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Seat":
        self._runner = Runner(self.threads)
        self._folder = tempfile.TemporaryDirectory(prefix="evaluate-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            self._runner.close()
        if self._folder is not None:
            self._folder.cleanup()

    def look(self, image: Image) -> Findings | Refusal:
        """Run the whole pipeline over an image.

        Raises:
            RuntimeError: used outside its `with`.
        """
        if self._runner is None or self._folder is None:
            raise RuntimeError("a seat is used inside `with`")
        work = Path(self._folder.name)
        found = self._runner.predict(self.bundle, image, work, TIMEOUT_SECONDS)
        if isinstance(found, Findings):
            self.facts = {k: v for k, v in found.facts.items() if k != "memory_mb"}
            self.seconds.append(sum(v for k, v in found.seconds.items() if k != "load"))
        return found

    def labels(self, image: Image) -> np.ndarray:
        """Give the label map of an image, [slices, rows, columns].

        Raises:
            UnfitBundleError: the bundle refused it, or makes no labels.
        """
        found = self.look(image)
        if isinstance(found, Refusal) or found.labels is None:
            raise UnfitBundleError(found.reason if isinstance(found, Refusal) else "no labels")
        return found.labels
