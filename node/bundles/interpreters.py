"""Which Python runs models' processes, and what is installed there.

By default it is the node's own. Another one is for a Jetson, whose TensorRT comes with the Python
of its JetPack and with no other. That one is asked once, in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

MODULES = ("openvino", "onnxruntime", "torch", "monai", "tensorrt")
ASKED = """
import importlib.metadata, importlib.util, json, sys
names = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
there = [m for m in sys.argv[1:] if importlib.util.find_spec(m)]
print(json.dumps({"versions": names, "modules": there, "python": sys.version_info[:2]}))
"""
OLDEST = (3, 10)
"""What a model's process is written for; the node itself needs a newer one."""
_chosen = [sys.executable]


def use(python: Path | None) -> None:
    """Have models' processes run by another Python; None is the node's own."""
    _chosen[0] = str(python) if python is not None else sys.executable


def chosen() -> str:
    """Give the interpreter of models' processes."""
    return _chosen[0]


def version_of(package: str) -> str:
    """Give the version of a package that is installed there, "" when it is not."""
    if chosen() == sys.executable:
        try:
            return version(package)
        except PackageNotFoundError:
            return ""
    return str(_told(chosen()).get("versions", {}).get(package, ""))


def has(module: str) -> bool:
    """Say whether a framework can be imported there, without importing it."""
    if chosen() == sys.executable:
        return find_spec(module) is not None
    return module in _told(chosen()).get("modules", [])


def unfit() -> str:
    """Say why the chosen Python cannot run models, "" when it can."""
    if chosen() == sys.executable:
        return ""
    said = _told(chosen()).get("python")
    if said is None:
        return f"models.python: {chosen()} is no Python that answers"
    if tuple(said) < OLDEST:
        return f"models.python: {chosen()} is Python {said[0]}.{said[1]}; models need 3.10 or newer"
    return ""


@cache
def _told(python: str) -> Mapping:
    command = [python, "-I", "-c", ASKED, *MODULES]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found: Mapping = json.loads(said.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return found
