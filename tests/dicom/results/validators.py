"""Asks other people's validators about a result: PixelMed's for reports, dcmqi for their content.

PixelMed's validator of structured reports is the one that the IHE Connectathon holds AI results
against. It is two XSLT style sheets over an XML form of the report. Debian's Java program dies on
its own style sheets (XPath limits of newer Java), so here Java makes the XML only, and libxslt runs
the style sheets just as com.pixelmed.validate.DicomSRValidator would.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pydicom
import pytest
import SimpleITK
from lxml import etree
from pydicom.dataset import Dataset

JAR = Path("/usr/share/java/pixelmed.jar")
_STYLES = "com/pixelmed/validate"
_TO_XML = "com.pixelmed.dicom.XMLRepresentationOfStructuredReportObjectFactory"
_XSL = "{http://www.w3.org/1999/XSL/Transform}"
_OPTIONS = {
    "optionDescribeChecking": "F",
    "optionMatchCaseOfCodeMeaning": "T",
    "optionCheckAmbiguousTemplate": "F",
    "optionCheckContentItemOrder": "T",
    "optionCheckTemplateID": "T",
}
_GROUPS = frozenset(("1410", "1411", "1501"))
_SAID = re.compile(r"(Error|Warning): (?:Template (\d+) )?")
_STRAY = re.compile(r"/CONTAINER \([^/]*\): Content Item not in template$")
"""A container that fits no template is but a warning to PixelMed; to us its group is lost."""
_ROOT = re.compile(r"Found Root Template (\w+)")
_PROGRESS = ("Warning", "Found ", "Root Template Validation Complete", "IOD validation complete")
_PLACE = re.compile(r"\b(1(?:\.\d+)+):? ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What PixelMed said of one report."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    root: str
    """The template that it took the report for, once done; "": that no error means nothing."""


def pixelmed_is_missing() -> str | None:
    """Say what PixelMed's validator needs and is not there, or None."""
    if shutil.which("java") is None:
        return "java is not installed"
    return None if JAR.exists() else f"{JAR.name} is not installed (Debian: libpixelmed-java)"


def pixelmed(path: Path) -> Verdict:
    """Hold a report against the templates of PS3.16, as PixelMed knows them.

    Raises:
        RuntimeError: PixelMed cannot read the report.
    """
    report = _xml(path)
    first, second = _styles()
    said = str(first.sheet(report, **_parameters(first.takes))).splitlines()
    items = [line for line in said if line.lstrip().startswith("<item ")]
    second.found.text = "\n".join(("<founditems>", *items, "</founditems>"))
    said = [line for line in said if line.strip() and line not in set(items)]
    said += str(second.sheet(report, **_parameters(second.takes))).splitlines()
    templates = dict(_templates(pydicom.dcmread(path), "1"))
    real = [line for line in said if not _tried_another(line, templates)]
    root = [found[1] for line in real if (found := _ROOT.match(line))]
    done = "Root Template Validation Complete" in real
    return Verdict(
        tuple(line for line in real if not line.startswith(_PROGRESS) or _STRAY.search(line)),
        tuple(line for line in real if line.startswith("Warning")),
        root[0] if root and done else "",
    )


def _xml(path: Path) -> etree._ElementTree:
    heap = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command = ["java", *heap, "-cp", str(JAR), _TO_XML, "toXML", str(path)]
    made = subprocess.run(command, check=False, capture_output=True, timeout=120)
    if made.returncode or not made.stdout.strip():
        raise RuntimeError(f"PixelMed cannot read it: {made.stderr.decode(errors='replace')[:300]}")
    return etree.fromstring(made.stdout).getroottree()


class _Found(etree.Resolver):
    """Hands a style sheet the documents it asks for: the jar's, and what the first one found."""

    text = ""

    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        """Give the document of this name."""
        name = system_url.rpartition("/")[2]
        if name == "FoundItems.xml":
            return self.resolve_string(self.text, context)
        with ZipFile(JAR) as jar:
            return self.resolve_string(jar.read(f"{_STYLES}/{name}"), context)


@dataclass(frozen=True, slots=True)
class _Style:
    sheet: etree.XSLT
    takes: frozenset[str]
    found: _Found


@cache
def _styles() -> tuple[_Style, _Style]:
    etree.XSLT.set_global_max_depth(100_000)
    return _style("DicomSRDescriptionsCompiled.xsl"), _style("CheckSRContentItemsUsed.xsl")


def _style(name: str) -> _Style:
    found = _Found()
    parser = etree.XMLParser(huge_tree=True)
    parser.resolvers.add(found)
    with ZipFile(JAR) as jar:
        root = etree.fromstring(jar.read(f"{_STYLES}/{name}"), parser)
        for included in root.findall(f"{_XSL}include") + root.findall(f"{_XSL}import"):
            text = jar.read(f"{_STYLES}/{included.get('href')}")
            root[:] = [child for child in root if child is not included]
            root.extend(etree.fromstring(text, parser))
    _name_variables_apart(root)
    takes = frozenset(one.get("name") for one in root.findall(f"{_XSL}param"))
    return _Style(etree.XSLT(root), takes, found)


def _name_variables_apart(root: etree._Element) -> None:
    """Rename a variable that hides another of its template, which XSLT 1.0 (11.5) forbids.

    PixelMed's style sheets have one; Java's processor lets it pass, libxslt does not.
    """
    for number, inner in enumerate(root.iter(f"{_XSL}variable")):
        name = inner.get("name")
        hidden = any(
            sibling.tag == inner.tag and sibling.get("name") == name
            for above in inner.iterancestors()
            if above.getparent() is not None and above.getparent() is not root
            for sibling in above.itersiblings(preceding=True)
        )
        if hidden:
            inner.set("name", f"{name}{number}")
            for sibling in inner.itersiblings():
                for element in sibling.iter(etree.Element):
                    _refer(element, f"${name}", f"${name}{number}")


def _refer(element: etree._Element, old: str, new: str) -> None:
    for key, value in element.attrib.items():
        if old in value:
            element.set(key, re.sub(re.escape(old) + r"\b", lambda _: new, value))


def _parameters(takes: frozenset[str]) -> dict[str, object]:
    return {k: etree.XSLT.strparam(v) for k, v in _OPTIONS.items() if k in takes}


def _templates(item: Dataset, place: str) -> Iterator[tuple[str, str]]:
    """Give which template (PS3.3 C.18.8) an item of the tree says that it follows, by its place."""
    named = item.get("ContentTemplateSequence")
    if named:
        yield place, str(named[0].TemplateIdentifier)
    for number, child in enumerate(item.get("ContentSequence") or (), 1):
        yield from _templates(child, f"{place}.{number}")


def _tried_another(line: str, templates: dict[str, str]) -> bool:
    """Tell that PixelMed speaks of a template that the measurement group does not claim to be.

    It tries the three kinds of measurement groups on every group, and tells why two do not fit.
    """
    said = _SAID.match(line)
    if said is None or said.group(2) not in _GROUPS:
        return False
    where = _PLACE.search(line, said.end())
    steps = where.group(1).split(".") if where else []
    for depth in range(len(steps), 0, -1):
        claimed = templates.get(".".join(steps[:depth]))
        if claimed is not None:
            return claimed != said.group(2)
    return False


Tool = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a program by its name; the fixture `tool`."""


def native(name: str, package: str) -> str:
    """Give a package's program itself: the script that Python puts before it starts a Python."""
    spec = find_spec(package)
    found = Path(spec.origin).parent / "bin" / name if spec and spec.origin else Path(name)
    return str(found) if found.exists() else name


def needs_pixelmed() -> None:
    """Skip without PixelMed's validator, but fail where everything has to be there."""
    missing = pixelmed_is_missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


def dciodvfy_said(tool: Tool, path: Path) -> list[str]:
    """Give what dciodvfy has against an object, warnings too."""
    said = tool(native("dciodvfy", "dicom3tools"), "-new", path)
    lines = (said.stdout + said.stderr).splitlines()
    found = [line for line in lines if "Error" in line or "Warning" in line]
    return found if found or not said.returncode else [f"it ended with {said.returncode}"]


def dcentvfy_said(tool: Tool, paths: Iterable[Path]) -> list[str]:
    """Give where the objects of one patient differ in what they have to share.

    dcentvfy takes the Accession Number for an attribute of the series in images, and of the study
    in reports, and so finds that it differs; the values are compared in tests of lineage.
    """
    said = tool(native("dcentvfy", "dicom3tools"), *paths)
    lines = (said.stdout + said.stderr).splitlines()
    quirk = "Element=<AccessionNumber> IE <Series> versus <Study>"
    return [line for line in lines if line.strip() and quirk not in line]


def rendered(tool: Tool, path: Path) -> list[str]:
    """Give what keeps DCMTK from reading a report and from making a page of it."""
    found = []
    for name in ("dsrdump", "dsr2html"):
        said = tool(name, path)
        bad = [line for line in said.stderr.splitlines() if line.startswith(("E:", "F:"))]
        if said.returncode or not said.stdout.strip():
            bad.append(f"it ended with {said.returncode}")
        found += [f"{name}: {line}" for line in bad]
    return found


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxels [slices, rows, columns], and the matrix from (slice, row, column, 1) to LPS mm."""

    voxels: np.ndarray
    affine: np.ndarray

    def on(self, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Give the voxels on another grid over the same points; where this one ends, nothing.

        Raises:
            ValueError: the points of the one are not points of the other.
        """
        here = np.argwhere(self.voxels)
        points = np.column_stack([here, np.ones(len(here))]) @ self.affine.T
        there = (points @ np.linalg.inv(affine).T)[:, :3]
        places = np.rint(there).astype(int)
        if len(there) and np.abs(there - places).max() > 0.01:
            raise ValueError("the voxels lie between those of the other grid")
        found = np.zeros(shape, dtype=bool)
        found[tuple(places.T)] = True
        return found


def masks_read_by_dcmqi(tool: Tool, path: Path, folder: Path) -> Iterator[tuple[int, Grid]]:
    """Give each segment as dcmqi reads it: its number, its voxels, and where they lie.

    Raises:
        RuntimeError: dcmqi refused the object; the text says why.
    """
    folder.mkdir(exist_ok=True)
    where = ("--outputDirectory", folder, "--outputType", "nrrd")
    said = tool(native("segimage2itkimage", "dcmqi"), "--inputDICOM", path, *where)
    if said.returncode or "ERROR" in said.stdout + said.stderr:
        raise RuntimeError((said.stdout + said.stderr)[-300:])
    about = json.loads((folder / "meta.json").read_text())
    for number, group in enumerate(about["segmentAttributes"], 1):
        image = SimpleITK.ReadImage(folder / f"{number}.nrrd")
        for one in group:
            label = int(one["labelID"])
            mask = SimpleITK.GetArrayFromImage(image) == label
            yield label, Grid(mask, _affine(image))


def _affine(image: SimpleITK.Image) -> np.ndarray:
    made = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    made[:3, :3] = (direction * np.array(image.GetSpacing()))[:, ::-1]
    made[:3, 3] = image.GetOrigin()
    return made


def values_read_by_dcmqi(tool: Tool, path: Path, folder: Path) -> list[dict[str, object]]:
    """Give the measurement groups of a report as dcmqi reads them.

    Raises:
        RuntimeError: dcmqi refused the report; the text says why.
    """
    out = folder / "report.json"
    said = tool(native("tid1500reader", "dcmqi"), "--inputDICOM", path, "--outputMetadata", out)
    if said.returncode or not out.exists():
        raise RuntimeError((said.stdout + said.stderr)[-300:])
    groups: list[dict[str, object]] = json.loads(out.read_text())["Measurements"]
    return groups
