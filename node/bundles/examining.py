"""Looks at a bundle where it lies and says what is wrong with it; nothing of it is executed."""

from dataclasses import dataclass
from pathlib import Path

from node.bundles.classifying import unfit_statistics
from node.bundles.evaluated import evaluation_problems
from node.bundles.golden import FILE as GOLDEN
from node.bundles.manifest import (
    Bundle,
    Manifest,
    UnreadableBundleError,
    file_hash,
    read_manifest,
    tree_hash,
)
from node.bundles.weights import (
    BY_MONAI,
    SUFFIXES,
    UnfitWeightsError,
    by_monai_problems,
    engine_for,
    missing_for,
)

NEEDED = ("docs/README.md", "LICENSE", GOLDEN)


@dataclass(frozen=True, slots=True)
class Examined:
    """A bundle as it was found: what can be used of it, and what is wrong with it."""

    bundle: Bundle | None
    problems: list[str]


def examine(folder: Path, needed: tuple[str, ...] = NEEDED, *, evaluated: bool = True) -> Examined:
    """Look at a bundle, without executing anything of it.

    Args:
        folder: where it lies.
        needed: files that have to be there.
        evaluated: whether one for clinical use needs its report.
    """
    if not folder.is_dir():
        return Examined(None, [f"there is no folder {folder.name} on the shelf"])
    try:
        digest = tree_hash(folder)
    except (OSError, UnreadableBundleError) as error:
        return Examined(None, [str(error)])
    problems = [f"{name} is missing" for name in needed if not (folder / name).is_file()]
    manifest = read_manifest(folder, digest)
    if isinstance(manifest, list):
        return Examined(None, problems + manifest)
    problems += _weight_problems(folder, manifest)
    engine, weights, why_not = _choose(folder, manifest)
    if engine is None or weights is None:
        return Examined(None, problems + why_not)
    problems += _other_problems(folder, manifest, engine)
    if evaluated:
        problems += evaluation_problems(folder, manifest)
    if manifest.by_monai:
        problems += by_monai_problems(weights)
        engine = BY_MONAI
    if engine == "state_dict" and manifest.recipe.network is None:
        problems.append("configs/inference.json: network_def must name one of monai.networks.nets")
    return Examined(Bundle(folder, digest, manifest, weights, engine), problems)


def _weight_problems(folder: Path, manifest: Manifest) -> list[str]:
    problems = []
    for name, stated in manifest.weights.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"weights {name} are missing")
        elif file_hash(path) != stated.lower():
            problems.append(f"weights {name} do not have the sha256 that metadata.json states")
    present = {
        path.relative_to(folder).as_posix()
        for path in (folder / "models").rglob("*")
        if path.is_file() and path.name != ".gitkeep"
    }
    unlisted = sorted(present - set(manifest.weights))
    return problems + [f"{name} is not among dicom.weights in metadata.json" for name in unlisted]


def _other_problems(folder: Path, manifest: Manifest, engine: str) -> list[str]:
    """Look at what a classification needs besides: the networks of an ensemble, and statistics."""
    problems: list[str] = []
    said = manifest.classifying
    if said.novelty is not None and said.novelty.statistics:
        problems += unfit_statistics(folder, said.novelty.statistics)
    if not said.members:
        return problems
    if said.members[0] != next(iter(manifest.weights)):
        problems.append("the first of dicom.weights must be the first of the members")
    paths = [folder / name for name in said.members if (folder / name).is_file()]
    kinds = {engine_for(path) for path in paths} - {engine}
    return [*problems, *(f"its networks are of two kinds: {engine}, {one}" for one in kinds)]


def _choose(folder: Path, manifest: Manifest) -> tuple[str | None, Path | None, list[str]]:
    """Choose the first weight file that an installed engine opens; say why not the others."""
    why_not = []
    for name in manifest.weights:
        path = folder / name
        if path.suffix == ".bin" and path.with_suffix(".xml").is_file():
            continue
        try:
            engine = engine_for(path) if path.is_file() else ""
        except UnfitWeightsError as error:
            # one pickle is enough to refuse the whole bundle, even beside weights that are fine
            return None, None, [str(error)]
        missing = missing_for(engine) if engine else f"{name} is missing"
        if not missing:
            return engine, path, []
        why_not.append(missing)
    return None, None, why_not or [f"no weights; {', '.join(SUFFIXES)} can be"]
