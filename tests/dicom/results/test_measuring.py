"""What is measured of a segment, held against brute force and against shapes that are known."""

import numpy as np
import pytest

from node.dicom.findings import Findings
from node.dicom.results import measuring, shapes
from node.dicom.volume import Volume
from node.rules.nouns import Code, Segment

EVERYTHING = ("volume", *measuring.INTENSITIES, "diameter")
CODE = Code("12738006", "SCT", "Brain")


def segment(label, measurements=EVERYTHING, axes=True):
    return Segment(label, f"part {label}", CODE, CODE, (1, 2, 3), None, measurements, axes)


def volume_of(voxels, affine=None, spacing=(2.5, 0.7, 0.9)):
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    return Volume(voxels, affine, tuple(np.linalg.norm(affine[:3, :3], axis=0)), (), ())


def turned(rng, spacing):
    affine = np.diag([*spacing, 1.0])
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ affine[:3, :3]
    return affine


def longest(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2).max()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_every_figure_is_that_of_brute_force(seed, dtype):
    rng = np.random.default_rng(seed)
    shape = (6, 9, 11)
    voxels = rng.integers(-50, 50, shape).astype(dtype)
    labels = np.where(rng.random(shape) < 0.2, rng.integers(1, 4, shape), 0).astype(np.uint8)
    volume = volume_of(voxels, turned(rng, (2.5, 0.7, 0.9)))
    found = measuring.measure(volume, Findings(labels), [segment(n) for n in (1, 3, 2)])
    for label, one in found.items():
        values = voxels[labels == label].astype(np.float64)
        said = one.intensity
        assert one.voxels == len(values)
        assert one.volume_ml == pytest.approx(len(values) * 2.5 * 0.7 * 0.9 / 1000, abs=0.001)
        assert (said.minimum, said.maximum) == (values.min(), values.max())
        assert (said.mean, said.sd, said.median) == pytest.approx(
            (values.mean(), values.std(), np.median(values))
        )
        points = np.argwhere(labels == label) @ volume.affine[:3, :3].T
        assert one.diameter_mm == pytest.approx(longest(points))
        assert one.largest_slice == (labels == label).sum(axis=(1, 2)).argmax()


def test_values_that_spread_too_far_for_a_table_are_measured_as_exactly(monkeypatch):
    rng = np.random.default_rng(5)
    voxels = rng.integers(-30000, 30000, (4, 20, 20)).astype(np.int16)
    labels = rng.integers(0, 4, voxels.shape).astype(np.uint16)
    few = [segment(n) for n in (1, 2, 3)]
    by_table = measuring.measure(volume_of(voxels), Findings(labels), few)
    monkeypatch.setattr(measuring, "_MOST_BINS", 10)
    by_values = measuring.measure(volume_of(voxels), Findings(labels), few)
    for label, one in by_table.items():
        other = by_values[label].intensity
        assert one.intensity.median == other.median
        assert one.intensity.mean == pytest.approx(other.mean)
        assert one.intensity.sd == pytest.approx(other.sd)


def test_labels_without_a_word_are_not_counted_and_those_without_a_voxel_are_zero():
    labels = np.zeros((3, 5, 5), np.uint8)
    labels[1, 1:3, 1:3] = 9
    found = measuring.measure(
        volume_of(np.ones(labels.shape, np.int16)), Findings(labels), [segment(1)]
    )
    assert found == {1: measuring.Measured(1, 0, 0.0)}


def test_what_nobody_asks_for_is_not_measured():
    labels = np.ones((3, 5, 5), np.uint8)
    voxels = np.ones(labels.shape, np.int16)
    plain = segment(1, ("volume",), axes=False)
    one = measuring.measure(volume_of(voxels), Findings(labels), [plain])[1]
    assert (one.intensity, one.diameter_mm, one.axes) == (None, None, None)


@pytest.mark.parametrize("radii", [(20.0, 12.0), (15.0, 15.0), (30.0, 4.0)])
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2, 2.5])
def test_the_axes_of_an_ellipse_are_its_axes(radii, angle):
    spacing = (0.5, 0.8)
    rows, columns = np.mgrid[:160, :120]
    down, across = (rows - 80.0) * spacing[0], (columns - 60.0) * spacing[1]
    along = down * np.cos(angle) + across * np.sin(angle)
    aside = across * np.cos(angle) - down * np.sin(angle)
    plane = (along / radii[0]) ** 2 + (aside / radii[1]) ** 2 <= 1
    drawn = shapes.axes(plane, 7, spacing)
    assert drawn.slice_index == 7
    assert drawn.long_axis.length_mm == pytest.approx(2 * radii[0], abs=1.6)
    assert drawn.short_axis.length_mm == pytest.approx(2 * radii[1], abs=1.6)
    ends = [np.array(line.end) - line.start for line in (drawn.long_axis, drawn.short_axis)]
    in_mm = [end * spacing for end in ends]
    assert in_mm[0] @ in_mm[1] == pytest.approx(0, abs=1e-6)
    for line, step in zip((drawn.long_axis, drawn.short_axis), in_mm, strict=True):
        assert np.linalg.norm(step) == pytest.approx(line.length_mm)


def test_the_axes_stay_inside_the_hull_of_a_bent_shape():
    plane = np.zeros((40, 40), bool)
    plane[5:35, 5:9] = plane[31:35, 5:35] = True  # an L
    drawn = shapes.axes(plane, 0, (1.0, 1.0))
    assert drawn.long_axis.length_mm == pytest.approx(np.hypot(29, 29))
    assert drawn.short_axis.length_mm == pytest.approx(32 / np.sqrt(2))
    for row, column in (drawn.short_axis.start, drawn.short_axis.end):
        assert 4.99 < row < 34.01
        assert 4.99 < column < 34.01


@pytest.mark.parametrize("pixels", [[(3, 3)], [(3, 3), (3, 4)], [(3, 3), (4, 4), (5, 5)]])
def test_a_shape_without_width_has_no_axes(pixels):
    plane = np.zeros((9, 9), bool)
    for at in pixels:
        plane[at] = True
    assert shapes.axes(plane, 0, (1.0, 1.0)) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_farthest_pair_is_the_farthest(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(300, 3)) * rng.uniform(0.1, 5, 3)
    if seed % 2:
        points /= np.linalg.norm(points, axis=1)[:, None]  # on a sphere: many are nearly farthest
    first, second, distance = shapes.farthest_pair(points)
    assert distance == pytest.approx(longest(points))
    assert np.linalg.norm(points[first] - points[second]) == pytest.approx(distance)


def test_a_label_map_on_another_grid_is_a_mistake_of_the_node():
    with pytest.raises(ValueError, match="on a volume of"):
        measuring.measure(
            volume_of(np.ones((3, 4, 5), np.int16)),
            Findings(np.ones((2, 4, 5), np.uint8)),
            [segment(1)],
        )
