"""How much faster is a network of 8-bit integers, and what does it lose? 3D ResNet-18, trained.

The network is trained, written as ONNX, quantised and opened by the node's own engines, as
`radnode models compile` does. Engines take turns in every round, and what counts is the ratio
inside a round, so that what disturbs the machine disturbs all of them alike.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from models.experiments.comparing import Claim, Comparison, auc, compared
from models.experiments.fitting import Lesson, fit
from models.experiments.ground import LUNG, GroundOptions, open_ground
from models.experiments.lesions import LesionOptions, described, planted_crops, standardised
from models.experiments.results import Found, Given, table
from models.experiments.settings import Settings as Common
from models.losses import Loss, criterion
from models.networks import build
from node.engines.engine import open_engine
from node.engines.onnx_building import quantised
from node.engines.openvino_building import convert
from node.engines.torch_exporting import as_onnx

EAGER, OPENVINO, BF16, INT8 = "PyTorch f32", "OpenVINO f32", "OpenVINO bf16", "OpenVINO int8"
FASTER = ((INT8, EAGER), (INT8, OPENVINO), (INT8, BF16))

Run = Callable[[np.ndarray], np.ndarray]


class Settings(Common):
    """Crops of `crop` voxels, half with lesions; timed on `timed` voxels, `rounds` times."""

    ground: GroundOptions
    lesions: LesionOptions
    crop: tuple[int, int, int]
    training_crops: int
    test_crops: int
    calibration: int
    widen: float
    timed: tuple[int, int, int]
    rounds: int
    lesson: Lesson


def run(settings: Settings, given: Given) -> Found:
    """Train, quantise, time and test for every seed."""
    ground = open_ground(settings.ground, given.cache)
    scores: dict[str, list[np.ndarray]] = {EAGER: [], OPENVINO: [], BF16: [], INT8: []}
    times: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    truth: list[np.ndarray] = []
    for seed in range(settings.seeds):
        chance = np.random.default_rng([5, seed])
        numbers = settings.training_crops, settings.test_crops
        training, test = (
            planted_crops(part, number, settings.crop, settings.lesions, chance, healthy=0.5)
            for part, number in zip(ground.divided(swapped=bool(seed % 2)), numbers, strict=True)
        )
        truth.append(test.found())
        seen = standardised(training.images, training.images, LUNG)
        network = _trained((seen, training.found()), settings, seed)
        windows = list(seen[: settings.calibration].numpy()[:, None])
        shown = standardised(test.images, training.images, LUNG).numpy()
        engines = _engines(network, windows, given.work / str(seed), given.threads)
        for name, engine in engines.items():
            logits = np.concatenate([engine(one[None]) for one in shown])
            scores[name].append(logits[:, 1] - logits[:, 0])
        for name, taken in _timed(network, windows, settings, (given, seed)).items():
            times[name].append(taken)
        given.say(f"  seed {seed}: AUC {auc(scores[EAGER][-1], truth[-1]):.3f} in f32")
    return _told(settings, (scores, truth), times, ground.provenance)


def _trained(pairs: tuple[torch.Tensor, np.ndarray], settings: Settings, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    options = {"in_channels": 1, "out_channels": 2, "widen": settings.widen}
    network = build("resnet18_3d", options)
    loss = criterion("classification", ("none", "lesion"), Loss())
    labelled = pairs[0], torch.from_numpy(pairs[1].astype(np.int64))
    fit(network, labelled, lambda logits, label: loss(logits, label)[0], settings.lesson, seed)
    return network.eval()


def _engines(
    network: nn.Module, windows: Sequence[np.ndarray], folder: Path, threads: int
) -> dict[str, Run]:
    """Open a network by all engines, for inputs as large as the windows [1, 1, x, y, z]."""
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.from_numpy(windows[0])
    whole = as_onnx(network, example, folder / "network.onnx", by_export=True)
    small = quantised(whole, folder / "int8.onnx", windows, symmetric=False)
    whole, small = (convert(one, one.with_suffix(".xml"))[0] for one in (whole, small))

    def eager(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(batch)).numpy())

    return {
        EAGER: eager,
        OPENVINO: open_engine("openvino", whole, threads=threads, precision="f32").run,
        BF16: open_engine("openvino", whole, threads=threads, precision="bf16").run,
        INT8: open_engine("openvino", small, threads=threads, precision="int8").run,
    }


def _timed(
    network: nn.Module,
    windows: Sequence[np.ndarray],
    settings: Settings,
    where: tuple[Given, int],
) -> dict[str, np.ndarray]:
    """Give the seconds that each engine takes in each round, for one crop of `timed` voxels."""
    given, seed = where
    tiles = [-(-n // m) for n, m in zip(settings.timed, windows[0].shape[2:], strict=True)]
    cut = tuple(slice(0, n) for n in settings.timed)
    large = [np.ascontiguousarray(np.tile(w[0, 0], tiles)[cut][None, None]) for w in windows[:6]]
    engines = _engines(network, large, given.work / f"{seed}-large", given.threads)
    chance = np.random.default_rng(seed)
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(settings.rounds + 1):
        for name in chance.permutation(list(engines)):
            began = perf_counter()
            engines[str(name)](large[number % len(large)])
            if number:  # the first round warms up
                taken[str(name)].append(perf_counter() - began)
    return {name: np.array(each) for name, each in taken.items()}


def _told(
    settings: Settings,
    judged: tuple[dict[str, list[np.ndarray]], list[np.ndarray]],
    times: dict[str, list[np.ndarray]],
    provenance: Mapping[str, object],
) -> Found:
    scores, truth = judged
    aucs = {k: [auc(a, b) for a, b in zip(v, truth, strict=True)] for k, v in scores.items()}
    milliseconds = {k: [1e3 * float(np.median(one)) for one in v] for k, v in times.items()}
    right = {k: [_right(a, b) for a, b in zip(v, truth, strict=True)] for k, v in scores.items()}
    size = "x".join(map(str, settings.timed))
    return Found(
        title="INT8 against FP32",
        claimed="2.69 times as fast, loss 1.2 %",
        tables=(
            table(f"Time for {size} voxels, median", "ms", milliseconds),
            table("AUC", "", aucs),
            table("Accuracy", "%", right),
        ),
        comparisons=(
            *(_faster(settings, times, *pair) for pair in FASTER),
            *_losses(settings, scores, truth),
        ),
        setup=(
            f"3D ResNet-18 (MONAI), trained on crops of {'x'.join(map(str, settings.crop))} voxels "
            "of 1 mm of the lungs of the real CT, half of them with a lesion "
            f"{described(settings.lesions)}; one lung to learn from, the other for the test, "
            "exchanged with every seed.",
            f"{settings.training_crops} crops for training, {settings.test_crops} for the test, "
            f"{settings.calibration} of the training crops to calibrate on; "
            f"{settings.lesson.steps} steps of {settings.lesson.batch}.",
            f"Timed on {size} voxels, batch 1, {settings.rounds} rounds for each seed, engines in "
            "random order within a round; INT8 layers that stay floating are bfloat16.",
        ),
        limits=(
            "The document does not say what its 2.69 is against: against PyTorch as everybody runs "
            "it most of the gain is the engine's, against the same engine in f32 it is that of the "
            "numbers. Both are given, and the one against bfloat16, which loses less.",
            "A processor with VNNI or AMX is needed for this; a GPU or a Jetson was not measured.",
            "Lesions are easier to see here than in the other experiments, so that the network is "
            "worth quantising.",
        ),
        data=provenance,
    )


def _faster(
    settings: Settings, times: dict[str, list[np.ndarray]], fast: str, slow: str
) -> Comparison:
    return compared(
        f"Speed: {fast} over {slow}",
        lambda s, c: float(np.median(times[slow][s][c] / times[fast][s][c])),
        [settings.rounds] * settings.seeds,
        Claim(2.69, "times", null=1.0),
    )


def _losses(
    settings: Settings, scores: dict[str, list[np.ndarray]], truth: list[np.ndarray]
) -> tuple[Comparison, ...]:
    def of(figure: Callable[[np.ndarray, np.ndarray], float], what: str) -> Comparison:
        return compared(
            f"Loss of {what}, points: {EAGER} minus {INT8}",
            lambda s, c: (
                figure(scores[EAGER][s][c], truth[s][c]) - figure(scores[INT8][s][c], truth[s][c])
            ),
            [settings.test_crops] * settings.seeds,
            Claim(1.2, "points", kind="at most"),
        )

    return of(lambda a, b: 100 * auc(a, b), "AUC"), of(_right, "accuracy")


def _right(scores: np.ndarray, truth: np.ndarray) -> float:
    """Give the share of right answers in per cent."""
    return 100 * float(((scores > 0) == truth).mean())
