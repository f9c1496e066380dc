"""Every series of the corpus gets the verdict that is written down for it, read or growing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from node.dicom.growing import GrowingVolume
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Choose, InputRequirement
from tests.dicom.hazards import cines, frames, mosaics, places
from tests.dicom.hazards.corpus import MAKERS
from tests.dicom.hazards.encodings import ramp
from tests.fakes.scanner import CENTRE_MM

ROOT = Path(__file__).parents[3]
VERDICTS = yaml.safe_load((Path(__file__).parent / "verdicts.yaml").read_text())
ALL = ("MR", "CT", "PT", "CR", "DX", "MG", "US", "XA", "NM")
TRUE_ML = 4 / 3 * np.pi * 24 * 18 * 14 / 1000
NAMES = ("Phantom^Ellipsoid", "TEST-1", "OTHER-2", "20000101")
GREEDY = (
    "rows_that_nobody_has",
    "rows_that_nobody_has_rle",
    "rows_that_nobody_has_jpeg_2000",
    "codestream_larger_than_header",
    "codestream_of_many_tiles",
    "frame_larger_than_header",
    "deflated_bomb",
    "enhanced_frames_that_nobody_has",
    "enhanced_frames_that_nobody_has_rle",
    "enhanced_frames_nearly_empty",
    "cine_frames_nearly_empty",
    "slices_nearly_empty",
    "sections_far_apart",
)


def requirement_of(name: str) -> InputRequirement:
    """Make the requirement that a verdict names; the rest is what bundles say by default."""
    said = dict(VERDICTS[name].get("requirement", {}))
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    if "choose" in said:
        said["choose"] = Choose(said["choose"])
    return InputRequirement(**{"modalities": ALL, **said})


def same(one: Volume | Refusal, other: Volume | Refusal) -> bool:
    """Say whether two outcomes are the same, voxel for voxel and word for word."""
    if isinstance(one, Refusal) or isinstance(other, Refusal):
        return one == other
    return (
        one.voxels.dtype == other.voxels.dtype
        and np.array_equal(one.voxels, other.voxels)
        and np.array_equal(one.affine, other.affine)
        and one.spacing_mm == other.spacing_mm
        and one.paths == other.paths
        and list(one.sources) == list(other.sources)
        and (one.repairs, one.filled, one.placed) == (other.repairs, other.filled, other.placed)
        and one.metadata == other.metadata
    )


def test_every_series_has_a_verdict_and_every_verdict_a_series():
    assert list(VERDICTS) == list(MAKERS)
    assert len(MAKERS) > 150


@pytest.mark.parametrize("name", MAKERS)
def test_the_verdict_is_the_expected_one(tmp_path, name):
    paths = MAKERS[name](tmp_path / "series")
    wanted, outcome = VERDICTS[name], read_volume(paths, requirement_of(name))
    if isinstance(outcome, Refusal):
        assert outcome.reason == wanted.get("refusal")
        assert outcome.fault is Fault.INPUT
        assert not any(patient in str(outcome) for patient in NAMES)
        return
    assert "volume" in wanted, "it was not refused"
    facts = wanted["volume"]
    assert list(outcome.voxels.shape) == facts["shape"]
    assert str(outcome.voxels.dtype) == facts["type"]
    assert [outcome.voxels.min(), outcome.voxels.max()] == pytest.approx(facts["range"], abs=1e-4)
    assert list(outcome.repairs) == facts.get("repairs", [])
    assert list(outcome.filled) == facts.get("filled", [])
    assert outcome.placed is facts.get("placed", True)
    assert len(outcome.sources) == len(outcome.paths) == len(outcome.voxels)


@pytest.mark.parametrize("name", MAKERS)
def test_a_volume_that_grew_is_the_one_that_is_read_at_once(tmp_path, name):
    paths = MAKERS[name](tmp_path / "series")
    at_once = read_volume(paths, requirement_of(name))
    growing = GrowingVolume(requirement_of(name))
    for place in np.random.default_rng(len(name)).permutation(len(paths)):
        path = paths[place]
        growing.place(path, path.read_bytes() if place % 2 else None)
        growing.read_ahead(int(place % 3))
    assert len(growing) == len(paths)
    assert same(growing.finish(), at_once)


def whole_phantoms():
    """Name the volumes that hold all of the phantom."""
    for name, verdict in VERDICTS.items():
        known = name in places.MAKERS or (name in frames.MAKERS and "scale" not in name)
        known = known or name in cines.PLACED or name in mosaics.PLACED
        if known and "volume" in verdict and verdict["volume"]["shape"][0] >= 18:
            yield name


@pytest.mark.parametrize("name", list(whole_phantoms()))
def test_the_phantom_is_where_it_is(tmp_path, name):
    volume = read_volume(MAKERS[name](tmp_path), requirement_of(name))
    assert isinstance(volume, Volume)
    dark, light = int(volume.voxels.min()), int(volume.voxels.max())
    bright = np.argwhere(volume.voxels > dark + 0.45 * (light - dark))
    centre = (volume.affine @ [*bright.mean(axis=0), 1])[:3]
    assert np.linalg.norm(centre - CENTRE_MM) < (0.6 if volume.filled else 0.3)
    assert len(bright) * volume.voxel_ml == pytest.approx(TRUE_ML, 0.05)


def test_lossless_encodings_give_the_same_voxels(tmp_path):
    plain = read_volume(MAKERS["explicit"](tmp_path / "plain"), requirement_of("explicit"))
    for name in ("implicit", "big_endian", "deflated", "rle", "jpeg_lossless", "jpeg_ls_signed"):
        other = read_volume(MAKERS[name](tmp_path / name), requirement_of(name))
        assert np.array_equal(plain.voxels, other.voxels), name


def test_a_codestream_of_high_throughput_jpeg_2000_is_exact(tmp_path):
    volume = read_volume(MAKERS["htj2k"](tmp_path), requirement_of("htj2k"))
    assert all(np.array_equal(slice_, ramp() - 1024) for slice_ in volume.voxels)


def test_the_picture_is_as_it_is_displayed(tmp_path):
    shown = {
        name: read_volume(MAKERS[name](tmp_path / name), requirement_of(name)).voxels[0]
        for name in ("film", "film_negative", "film_voi_table", "film_exact_window")
    }
    inside = shown["film"] == 1
    assert 0 < inside.mean() < 1
    assert np.array_equal(shown["film_negative"], 1 - shown["film"])
    assert np.array_equal(shown["film_voi_table"] == 1, inside)
    # PS3.3 C.11.2.1.2: linear windows reach white half a value and one value of width earlier
    assert shown["film_exact_window"][inside].min() == 1.0


@pytest.mark.parametrize("name", ["angiogram", "angiogram_rle", "ultrasound_cine"])
def test_the_frames_of_a_cine_are_in_the_order_of_time(tmp_path, name):
    volume = read_volume(MAKERS[name](tmp_path), requirement_of(name))
    rising = volume.voxels.reshape(len(volume.voxels), -1).mean(axis=1)
    assert (np.diff(rising) > 0).all()
    assert volume.metadata.frame_time_ms == 40.0
    assert [header.ReferencedFrameNumber for header in volume.sources] == [1, 2, 3, 4, 5, 6]


def test_a_cine_without_a_window_is_shown_with_one_window_throughout(tmp_path):
    volume = read_volume(
        MAKERS["angiogram_without_window"](tmp_path), requirement_of("angiogram_without_window")
    )
    highest = volume.voxels.reshape(len(volume.voxels), -1).max(axis=1)
    assert highest[-1] == 1.0
    assert highest[0] == pytest.approx((800 - 40) / (850 - 40))


READ_GREEDY = """
import resource, sys
from pathlib import Path
from bench.memory import peak_kb, reset_peak
from node.dicom.growing import GrowingVolume
from node.dicom.header import read_part10
from node.dicom.volume import read_volume
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement
wants = InputRequirement(("MR", "XA", "US"), cine=True, variable_spacing=True)
limit = 3 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
before = reset_peak()
for folder in sys.argv[1:]:
    paths = sorted(Path(folder).glob("*.dcm"))
    assert isinstance(read_volume(paths, wants), Refusal), folder
    growing = GrowingVolume(wants)
    for path in paths:
        growing.place(path)
        read_part10(path)
    assert isinstance(growing.finish(), Refusal), folder
print(peak_kb() - before)
"""


def test_what_a_process_takes_is_measured_though_its_parent_takes_more():
    held = bytearray(600 << 20)
    held[::4096] = b"x" * len(held[::4096])
    take = (
        "from bench.memory import *; b = reset_peak(); x = b'x' * (50 << 20); print(peak_kb() - b)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", take], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert 50_000 < int(ran.stdout) < 70_000


def test_small_files_that_promise_gigabytes_take_no_memory(tmp_path):
    folders = []
    for name in GREEDY:
        MAKERS[name](tmp_path / name)
        folders.append(tmp_path / name)
    ran = subprocess.run(
        [sys.executable, "-c", READ_GREEDY, *folders],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 200_000, f"{ran.stdout} kB"
