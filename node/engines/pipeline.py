"""Carries a volume to the network and its answer back to the scanner's grid, without torch.

It does to the numbers what a MONAI bundle's configs/inference.json describes; the parent process
has read that file and made sure that only transforms and arguments of its closed list are in it
(`node.bundles.recipe`). Arrays are [channels, x, y, z] of float32 between the two ends, which are
[slices, rows, columns].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from node.engines import inferer
from node.engines.gridding import LPS_TO_RAS, Gridding, gridding
from node.engines.gridding import Step as GridStep
from node.engines.inferer import AT_ONCE, Layout, NotNumbersError, Predict
from node.engines.intake import Intake, NotStreamedError, Ready
from node.engines.plan import After, Before, read_after, read_before
from node.engines.returning import Return, largest
from node.engines.spatial import Grid, Undo
from node.engines.steps import INTENSITY, LABELS, PICTURE, SPATIAL, same
from node.engines.streaming import Course, Laps, Stream
from node.engines.upright import leans, upright_of

Array: TypeAlias = np.ndarray
Arguments: TypeAlias = Mapping[str, Any]

FEW_SLICES, MOST_SLICES = 64, 4096
"""What is guessed while nobody knows how many slices there will be."""


class Pipeline:
    """Preprocessing, inferer and postprocessing of one bundle."""

    def __init__(
        self,
        preprocessing: Sequence[Mapping[str, Any]],
        inferer_step: Mapping[str, Any],
        postprocessing: Sequence[Mapping[str, Any]],
        *,
        threads: int = 1,
    ) -> None:
        """Take the steps as `node.bundles.recipe.Step.as_plain` gives them.

        Args:
            preprocessing: from the volume to what the network sees.
            inferer_step: how the network is run over it.
            postprocessing: from its scores to labels, or to probabilities.
            threads: how many threads may work on slices at once.

        Raises:
            KeyError: a step is not known here.
            ValueError: windows are to be skipped, but the steps do not allow it.
        """
        self._before = [(step["name"], _plain(step["arguments"])) for step in preprocessing]
        self._inferer = inferer_step
        self._after = [(step["name"], _plain(step["arguments"])) for step in postprocessing]
        self._threads = threads
        for name, _ in self._before:
            _known(name, SPATIAL, INTENSITY)
        for name, _ in self._after:
            _known(name, LABELS, {"Invertd": None})
        self._is_picture = [name for name, _ in self._before[:1]] == [PICTURE]
        self._plan = read_before(self._before)
        self._way_back = read_after(self._after)
        self._slides = inferer_step["name"] == "SlidingWindowInferer"
        said = inferer_step["arguments"].get("padding_mode", "constant")
        self._pads_by_edge = self._slides and said == "replicate"
        spared = {"skip", "box"} & set(inferer_step["arguments"])
        if spared and (why := self._why_by_whole()):
            raise ValueError(f"windows cannot be spared ({', '.join(sorted(spared))}): {why}")

    @property
    def dimensions(self) -> int:
        """How many axes in space the network sees: 3, or 2 of a picture."""
        return 2 if self._is_picture else 3

    @property
    def activation(self) -> str:
        """What makes probabilities of scores: "softmax", "sigmoid", or "" if nothing here does."""
        for name, arguments in self._after:
            if name == "Activationsd":
                said = [word for word in ("sigmoid", "softmax") if arguments.get(word)]
                return said[-1] if said else ""
        return ""

    # ---- all at once -------------------------------------------------------------------------

    def run(
        self,
        voxels: Array,
        affine: Array,
        predict: Predict,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> tuple[Array, Mapping[str, float]]:
        """Do everything, planes at a time where the bundle's steps allow it; upright.

        Args:
            voxels: [slices, rows, columns].
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            predict: the network.
            monotonic: gives seconds, for the stopwatch.

        Returns:
            A label map [1, slices, rows, columns] or probabilities, and the seconds that each
            part took.

        Raises:
            NotNumbersError: the network's scores are no numbers.
        """
        upright = upright_of(affine, voxels.shape)
        if upright is None:
            return self._run(voxels, affine, predict, monotonic)
        found, seconds = self._run(upright.there(voxels), upright.affine, predict, monotonic)
        return (upright.back(found) if found.ndim == 4 else found), seconds

    def _run(
        self, voxels: Array, affine: Array, predict: Predict, monotonic: Callable[[], float]
    ) -> tuple[Array, Mapping[str, float]]:
        laps = Laps(monotonic)
        if isinstance(self._plan, str) or isinstance(self._way_back, str):
            return self._by_steps(voxels, affine, predict, laps), laps.seconds
        grid = gridding(affine, voxels.shape, self._plan.moves)
        if self._pads_by_edge and self._is_small(grid):
            return self._by_steps(voxels, affine, predict, laps), laps.seconds
        course = self._course(self._plan, self._way_back, monotonic)
        if not self._slides:
            labels = self._in_one(voxels, grid, predict, course, laps)
            return self._rest(labels, laps), laps.seconds
        if self._plan.voxelwise:
            stream = Stream(course, grid, predict, len(voxels))
            last = len(voxels) - 1
            backwards = grid.tracks[0].is_reversed
            for number in range(len(voxels)):
                stream.feed(number, voxels[last - number if backwards else number])
                stream.advance()
        else:
            with laps.lap("preprocessing"):
                image = self._whole(voxels, grid, course)
            ready = Ready(image, grid.axis, len(voxels))
            stream = Stream(
                replace(course, late=partial(same, _={})), grid, predict, len(voxels), ready
            )
        labels = stream.finish(grid)
        laps.add(stream.laps)
        return self._rest(labels, laps), laps.seconds

    def _is_small(self, grid: Gridding) -> bool:
        """Say whether the volume is smaller than a window along some axis."""
        roi = self._inferer["arguments"]["roi_size"]
        return any(n > size for n, size in zip(roi, grid.sizes, strict=True))

    def _course(self, plan: Before, way_back: After, monotonic: Callable[[], float]) -> Course:
        arguments = self._inferer["arguments"] if self._slides else {"roi_size": (1, 1, 1)}
        return Course(
            early=partial(_changed, steps=plan.early, table=INTENSITY),
            late=partial(_changed, steps=plan.late, table=INTENSITY),
            layout=Layout.of(arguments),
            activate=partial(_changed, steps=way_back.scores, table=LABELS),
            nearest=way_back.nearest,
            middle=partial(_changed, steps=way_back.middle, table=LABELS)
            if way_back.middle
            else None,
            threads=self._threads,
            monotonic=monotonic,
        )

    def _whole(self, voxels: Array, grid: Gridding, course: Course) -> Array:
        """Bring a volume to the network's grid, [x, y, z]."""
        image = np.empty(grid.sizes, dtype=np.float32)
        planes = np.moveaxis(image, grid.axis, 0)
        intake = Intake(grid, course.early)
        last, backwards = len(voxels) - 1, grid.tracks[0].is_reversed
        for number in range(len(voxels)):
            intake.put(number, voxels[last - number if backwards else number])
            while (some := min(intake.reach() - intake.made, AT_ONCE)) > 0:
                made = intake.made
                planes[made : made + some] = intake.take(some)
        return course.late(image[np.newaxis])[0]

    def _in_one(
        self, voxels: Array, grid: Gridding, predict: Predict, course: Course, laps: Laps
    ) -> Array:
        """Run a network that takes the whole volume at once."""
        with laps.lap("preprocessing"):
            image = self._whole(voxels, grid, course)
        with laps.lap("network"):
            scores = predict(image[np.newaxis, np.newaxis])[0]
        with laps.lap("postprocessing"):
            if scores.size == 0 or np.isnan(scores.min()):
                raise NotNumbersError("scores that are no numbers (NaN), or none at all")
            if scores.shape[1:] != grid.sizes:
                raise ValueError(f"the network made {scores.shape} of {grid.sizes}")
            back = Return(grid, course.activate, nearest=course.nearest, threads=self._threads)
            if course.middle is None:
                back.put(scores)
            else:
                found = largest(course.activate(scores))
                back.put_labels(course.middle(found[np.newaxis])[0])
            return back.finish(grid)

    def _rest(self, labels: Array, laps: Laps) -> Array:
        with laps.lap("postprocessing"):
            steps = () if isinstance(self._way_back, str) else self._way_back.rest
            return _changed(labels[np.newaxis], steps=steps, table=LABELS)

    def _by_steps(self, voxels: Array, affine: Array, predict: Predict, laps: Laps) -> Array:
        with laps.lap("preprocessing"):
            grid, undos = self.prepare(voxels, affine)
        with laps.lap("network"):
            scores = self.infer(grid, predict)
        if scores.size == 0 or np.isnan(scores.min()):
            raise NotNumbersError("scores that are no numbers (NaN), or none at all")
        with laps.lap("postprocessing"):
            return self.finish(scores, undos)

    # ---- slice by slice ----------------------------------------------------------------------

    def _why_by_whole(self) -> str:
        """Say why windows cannot be run before the whole volume has been looked at, or ""."""
        if isinstance(self._plan, str):
            return self._plan
        if isinstance(self._way_back, str):
            return self._way_back
        if not self._slides:
            return "the network takes the whole volume at once"
        if not self._plan.voxelwise:
            return "intensities are scaled by the whole volume"
        return "a small volume is padded with its edge" if self._pads_by_edge else ""

    def why_not_streamed(self, affine: Array, shape: tuple[int, int]) -> str:
        """Say why a volume has to be complete before it can be run, or "" when it need not.

        Args:
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            shape: rows and columns.
        """
        if why := self._why_by_whole():
            return why
        assert not isinstance(self._plan, str)  # noqa: S101 - said above
        if leans(affine):
            return "the stack leans: it is stood upright as a whole"
        moves = self._plan.moves
        few, many = (gridding(affine, (n, *shape), moves) for n in (FEW_SLICES, MOST_SLICES))
        if not few.agrees(many):
            return "where the network's planes lie depends on the number of slices"
        if self._inferer["arguments"]["roi_size"][few.axis] <= 0:
            return "a window spans all slices"
        return ""

    def is_from_the_last(self, affine: Array, shape: tuple[int, int]) -> bool:
        """Say whether the network's grid begins at the last slice rather than at the first."""
        moves = () if isinstance(self._plan, str) else self._plan.moves
        return gridding(affine, (FEW_SLICES, *shape), moves).tracks[0].is_reversed

    def stream(
        self, affine: Array, shape: tuple[int, int], predict: Predict, count: int | None
    ) -> Stream:
        """Begin with a volume whose slices are still to come; see `why_not_streamed`.

        Args:
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            shape: rows and columns.
            predict: the network.
            count: the number of slices, None while it is not known.
        """
        if isinstance(self._plan, str) or isinstance(self._way_back, str):
            raise NotStreamedError(self._why_by_whole())
        grid = gridding(affine, (count or MOST_SLICES, *shape), self._plan.moves)
        return Stream(self._course(self._plan, self._way_back, _no_time), grid, predict, count)

    def finish_stream(self, stream: Stream, affine: Array, shape: tuple[int, int, int]) -> Array:
        """Give the label map, [1, slices, rows, columns], now that all slices have been fed.

        Args:
            stream: of `stream`.
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            shape: slices, rows, columns.

        Raises:
            NotStreamedError: the volume is not what the stream was opened for; run it as a whole.
            NotNumbersError: the network's scores are no numbers.
        """
        if leans(affine):
            raise NotStreamedError("the stack leans: it is stood upright as a whole")
        moves = () if isinstance(self._plan, str) else self._plan.moves
        labels = stream.finish(gridding(affine, shape, moves))
        return self._rest(labels, stream.laps)

    # ---- step by step ------------------------------------------------------------------------

    def prepare(self, voxels: Array, affine: Array) -> tuple[Grid, list[Undo]]:
        """Do the preprocessing.

        Args:
            voxels: [slices, rows, columns].
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.

        Returns:
            What the network is to see, and how to bring its answer back, last step last.
        """
        grid = Grid(voxels[np.newaxis].astype(np.float32), LPS_TO_RAS @ affine)
        undos: list[Undo] = []
        for name, arguments in self._before:
            if name in SPATIAL:
                grid, undo = SPATIAL[name](grid, arguments)
                undos.append(undo)
            else:
                grid = Grid(INTENSITY[name](grid.voxels, arguments), grid.affine)
        return grid, undos

    def infer(self, grid: Grid, predict: Predict) -> Array:
        """Run the network the way the bundle's inferer says."""
        image = np.ascontiguousarray(grid.voxels, dtype=np.float32)
        if self._is_picture:
            image = image[:, 0]
        return inferer.infer(image, predict, self._inferer["name"], self._inferer["arguments"])

    def finish(self, scores: Array, undos: Sequence[Undo]) -> Array:
        """Do the postprocessing; a label map comes out as [1, slices, rows, columns]."""
        for name, arguments in self._after:
            if name == "Invertd":
                nearest = arguments.get("nearest_interp", True)
                for undo in reversed(undos):
                    scores = undo(scores, nearest)
            else:
                scores = LABELS[name](scores, arguments)
        return scores


def _changed(
    array: Array,
    steps: Sequence[GridStep],
    table: Mapping[str, Callable[[Array, Arguments], Array]],
) -> Array:
    for name, arguments in steps:
        array = table[name](array, arguments)
    return array


def _no_time() -> float:
    return 0.0


def _plain(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what only concerns MONAI's containers: we always hold float32 in memory."""
    for_containers = ("dtype", "data_type", "track_meta", "to_tensor", "orig_keys", "transform")
    return {key: value for key, value in arguments.items() if key not in for_containers}


def _known(name: str, *tables: Mapping[str, object]) -> None:
    if not any(name in table for table in tables):
        raise KeyError(f"{name} is not a transform of the plain pipeline")
