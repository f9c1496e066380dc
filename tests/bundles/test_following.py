"""Slices on their way to a model's process: what fails costs a second look, and never the node."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from node.bundles.following import SLICES, Following


class Grid:
    """Room for six slices of three rows and four columns."""

    shape, slots, affine, first, last = (3, 4), 6, np.eye(4), 0, 5


class Busy:
    """A runner that is at work for somebody else."""

    is_busy = True


@pytest.fixture
def following(tmp_path):
    made = Following(Busy(), None, Grid(), tmp_path, 1.0)
    yield made
    made.close()


def test_the_model_finds_each_slice_in_its_place(following, tmp_path):
    for slot in (4, 0, 5):
        following.put(slot, np.full((3, 4), slot - 2, np.int16))
    found = np.load(tmp_path / SLICES, mmap_mode="r")
    assert found.shape == (6, 3, 4)
    assert [int(one[0, 0]) for one in found] == [-2, 0, 0, 0, 2, 3]
    assert (found[4] == 2).all()
    assert following.why == ""


def test_a_full_disk_leaves_the_series_to_be_looked_at_as_a_whole(following, monkeypatch):
    following.put(0, np.ones((3, 4), np.int16))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    following.put(1, np.ones((3, 4), np.int16))
    assert "No space left" in following.why
    following.put(2, np.ones((3, 4), np.int16))
    following.push()
    assert following.finish(np.eye(4), (6, 3, 4), 1.0) is None


def test_the_file_is_not_mapped_here_where_a_full_disk_would_be_a_bus_error(following):
    following.put(0, np.ones((3, 4), np.int16))
    assert SLICES not in Path("/proc/self/maps").read_text()


def test_it_takes_no_more_of_the_disk_than_its_slices(tmp_path):
    grid = Grid()
    grid.shape, grid.slots = (512, 512), 100
    made = Following(Busy(), None, grid, tmp_path, 1.0)
    made.put(50, np.ones((512, 512), np.int16))
    assert (tmp_path / SLICES).stat().st_blocks * 512 < 3 * 512 * 512 * 2
    made.close()
