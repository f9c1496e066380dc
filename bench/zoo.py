"""Says of each configuration in a folder of published MONAI bundles whether we run it, and how.

    python -m bench.zoo FOLDER [--all]

FOLDER holds one bundle a folder, as MONAI's Model Zoo does in models/. Nothing of them is executed.
Without `--all` only those are looked at whose task is a segmentation.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from node.bundles.configuration import misfed, read_object
from node.bundles.metadata import input_format
from node.bundles.recipe import read_recipe


def judged(folder: Path, name: str) -> tuple[str, list[str]]:
    """Say how one configuration is run, and why not otherwise."""
    complaints: list[str] = []
    inference = read_object(folder, name, complaints)
    metadata = read_object(folder, "configs/metadata.json", complaints)
    if inference is None or metadata is None:
        return "refused", complaints
    channels, shape = input_format(metadata)
    dimensions = len(shape) if shape else 3
    own = list(misfed(inference, channels, by_monai=False))
    for network, how in ((True, "own"), (False, "own, of TorchScript")):
        recipe = read_recipe(inference, labels=True, dimensions=dimensions, network=network)
        if not own and not isinstance(recipe, list):
            return how, []
    found = recipe if isinstance(recipe, list) else []
    lacking = [
        f"{name}: {part} is missing"
        for part in ("preprocessing", "inferer", "postprocessing")
        if part not in inference
    ]
    refused = [*lacking, *misfed(inference, channels, by_monai=True)]
    averaged = [one for one in found if "average labels" in one]
    if refused or averaged:
        return "refused", refused or averaged
    return "by MONAI", [*own, *found]


def configurations(root: Path, *, everything: bool) -> Iterator[tuple[Path, str]]:
    """List bundles and their configurations, but for those that only export to TensorRT."""
    for path in sorted(root.glob("*/configs/inference*")):
        folder = path.parent.parent
        metadata = read_object(folder, "configs/metadata.json", []) or {}
        said = f"{folder.name} {metadata.get('task', '')}".casefold()
        if "trt" not in path.stem and (everything or "segment" in said):
            yield folder, f"configs/{path.name}"


def main() -> None:
    """Print a line for each, and how many there are of each kind."""
    counted: Counter[str] = Counter()
    for folder, name in configurations(Path(sys.argv[1]), everything="--all" in sys.argv):
        how, why = judged(folder, name)
        counted[how] += 1
        print(f"{folder.name} {Path(name).name}: {how}")
        for complaint in why:
            print(f"    {complaint}")
    print(", ".join(f"{how}: {number}" for how, number in counted.most_common()))


if __name__ == "__main__":
    main()
