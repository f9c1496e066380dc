"""A volume that a model is not for is refused or marked, by route, before the model looks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.dicom.extent import extent_of
from node.dicom.findings import Findings
from node.dicom.results import ModelRun
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Fault, Refusal
from node.rules.nouns import Code, InputRequirement, Route, Segment
from node.rules.wishes import RouteInputs
from node.stages.scope import GRID, Scope
from tests.bundles.making import MODELS
from tests.fakes.scanner import CORONAL, SAGITTAL, Scanner

OBLIQUE = (0.8660254, 0.5, 0.0, -0.4698463, 0.8137977, 0.3420201)
ANY = InputRequirement(("CT", "MR"), spacing_mm=(0.1, 100.0))


@pytest.fixture(scope="module")
def host():
    runner = Runner(threads=1)
    yield Shelf(MODELS), runner
    runner.close()


def judge(host, volume, folder, requirement=ANY, **inputs):
    shelf, runner = host
    route = Route("r", {}, "m", (), inputs=RouteInputs(**inputs))
    bundle = SimpleNamespace(
        path=None,
        manifest=SimpleNamespace(requirement=requirement, segments=(), sees_pictures=False),
    )
    scope = Scope(shelf, runner, {"r": route}, lambda _: 60.0)
    return scope.judge(volume, bundle, "r", folder)


def head(folder, modality="MR", **knobs):
    """The phantom; its grey values are those of an MR."""
    found = read_volume(Scanner(modality=modality, **knobs).save(folder, 24), ANY)
    assert isinstance(found, Volume), found
    return found


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [(None, "axial"), (SAGITTAL, "sagittal"), (CORONAL, "coronal"), (OBLIQUE, "axial")],
    ids=["axial", "sagittal", "coronal", "oblique"],
)
def test_the_plane_and_the_size_of_a_volume_are_measured(tmp_path, orientation, plane):
    knobs = {} if orientation is None else {"orientation": orientation}
    volume = head(tmp_path, **knobs)
    extent = extent_of(volume)
    assert extent.plane == plane
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in volume.voxels.shape])).reshape(3, -1)
    there = volume.affine[:3, :3] @ corners
    assert list(extent.mm.values()) == pytest.approx(np.ptp(there, axis=1).tolist())


def test_another_plane_is_refused_in_words_or_marked(host, tmp_path):
    volume = head(tmp_path / "in")
    wanted = replace(ANY, planes=("sagittal",))
    refused = judge(host, volume, tmp_path, wanted, scope="refuse")
    assert isinstance(refused, Refusal)
    assert refused.fault is Fault.INPUT
    assert "its slices are axial" in refused.reason
    marked = judge(host, volume, tmp_path, wanted, scope="mark", modality="off")
    assert isinstance(marked, Volume)
    assert [one for one in marked.repairs if "its slices are axial" in one]


def test_a_truncated_field_of_view_is_refused(host, tmp_path):
    wanted = replace(ANY, extent_mm={"HF": (400.0, 2000.0)})
    refused = judge(host, head(tmp_path / "in"), tmp_path, wanted)
    assert "from head to feet" in refused.reason


def ct_called_mr(folder):
    """A CT whose header says MR: air at -1000 HU fills most of it."""
    volume = head(folder)
    voxels = np.full((60, 128, 128), -1000, np.int16)
    voxels[10:50, 30:100, 30:100] = 40
    voxels[20:40, 50:70, 50:70] = 900
    return replace(volume, voxels=voxels)


def test_grey_values_of_another_modality_are_refused_marked_or_let_be(host, tmp_path):
    volume = ct_called_mr(tmp_path / "in")
    refused = judge(host, volume, tmp_path, modality="refuse")
    assert isinstance(refused, Refusal)
    assert "its header says MR, and its grey values look like CT" in refused.reason
    marked = judge(host, volume, tmp_path, modality="mark")
    assert marked.repairs[-1].startswith("out of scope: its header says MR")
    assert judge(host, volume, tmp_path, modality="off").repairs == volume.repairs


def test_grey_values_that_fit_the_header_change_nothing(host, tmp_path):
    volume = head(tmp_path / "in")
    assert judge(host, volume, tmp_path, modality="refuse") is volume


def test_a_route_that_demands_the_check_refuses_without_it(tmp_path, host):
    volume = head(tmp_path / "in")
    empty = Shelf(tmp_path / "shelf"), host[1]
    assert "modality_check" in judge(empty, volume, tmp_path, modality="refuse").reason
    assert judge(empty, volume, tmp_path, modality="mark") is volume


@pytest.mark.parametrize("slices", [24, 61, 300])
def test_what_the_check_sees_of_a_large_volume_is_as_large_as_ever(
    host, tmp_path, monkeypatch, slices
):
    volume = head(tmp_path / "in")
    large = replace(volume, voxels=np.resize(volume.voxels, (slices, 512, 512)))
    real, seen = host[1].predict, []

    def watched(bundle, part, *rest):
        seen.append(part.voxels.shape)
        return real(bundle, part, *rest)

    monkeypatch.setattr(host[1], "predict", watched)
    judge(host, large, tmp_path)
    assert seen == [GRID]


def test_the_check_is_made_ready_only_where_a_route_asks_for_it(tmp_path, host):
    def warm(shelf, **inputs):
        route = Route("r", {}, "m", (), inputs=RouteInputs(**inputs))
        return Scope(shelf, host[1], {"r": route}, lambda _: 60.0).warm_up(tmp_path)

    assert warm(host[0]) is None
    empty = Shelf(tmp_path / "shelf")
    assert "modality_check" in warm(empty).reason
    assert warm(empty, modality="off") is None


@pytest.mark.parametrize(("ml", "believed"), [(1200.0, True), (4.0, False)])
def test_what_nobody_has_so_little_of_is_refused_or_marked(host, tmp_path, ml, believed):
    volume = head(tmp_path / "in")
    code = Code("1", "SCT", "Thing")
    brain = Segment(1, "Brain", code, code, (1, 2, 3), expected_ml=(300.0, 2500.0))
    model = SimpleNamespace(segments=(brain,), classes=(), identity=None)
    measured = {1: SimpleNamespace(volume_ml=ml)}
    run = ModelRun(volume, Findings(), model, None, tmp_path, measured)
    for wish in ("refuse", "mark"):
        route = Route("r", {}, "m", (), inputs=RouteInputs(scope=wish))
        outcome = Scope(*host, {"r": route}, lambda _: 60.0).judge_findings(run, "r")
        if believed:
            assert outcome is run
        elif wish == "refuse":
            assert isinstance(outcome, Refusal)
            assert "4 mL of Brain were found" in outcome.reason
        else:
            assert "4 mL of Brain were found" in outcome.volume.repairs[-1]


def test_a_mask_of_a_picture_is_refused_before_anybody_looks(host, tmp_path):
    volume = replace(head(tmp_path / "in"), placed=False)
    shelf, runner = host
    scope = Scope(shelf, runner, {}, lambda _: 60.0)
    refused = scope.judge(volume, shelf.get("brain_mask"), "r", tmp_path)
    assert isinstance(refused, Refusal)
    assert "without a place in the patient" in refused.reason
    assert scope.judge(volume, shelf.get("modality_check"), "r", tmp_path) is volume
