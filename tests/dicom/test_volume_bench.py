"""What the benchmark of reading says of us is measured as it says."""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from pydicom.uid import RLELossless

from bench.volume import decoders, running
from node.dicom import decoding
from tests.fakes.scanner import Scanner

ROOT = Path(__file__).parents[2]


def test_the_memory_of_a_reader_is_its_own_and_not_its_parents(tmp_path):
    paths = Scanner("CT", rows=512, columns=512).save(tmp_path, 20)
    held = bytearray(b"x" * (300 << 20))
    command = [sys.executable, "-m", "bench.volume.readers", "radnode", "1", *map(str, paths)]
    ran = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert len(held) == 300 << 20
    assert 10_000 < json.loads(ran.stdout)["peak_kb"] < 40_000


def test_every_decoder_of_a_syntax_is_timed_and_gives_the_same(tmp_path):
    paths = Scanner("CT", transfer_syntax=RLELossless).save(tmp_path, 3)
    figures = decoders._measured(paths, 1)
    assert {"radnode", "gdcm", "pydicom, pylibjpeg", "pydicom, pydicom"} <= set(figures)
    assert not any(said["differs"] for said in figures.values())


def test_what_is_left_after_the_last_slice_is_judged(capsys):
    whole, left = ({"cpu_seconds": seconds, "slices": 10} for seconds in (1.0, 0.02))
    runs = {"radnode": [whole], running.LAST_SLICE: [left]}
    assert running._hidden("jpeg_ls", runs)["met"]
    assert not running._hidden("jpeg_ls", {**runs, running.LAST_SLICE: [whole]})["met"]
    assert "NOT MET" in capsys.readouterr().out


def test_bytes_of_run_lengths_are_joined_faster_than_laid_side_by_side():
    segments = [np.full(1 << 18, number, np.uint8) for number in (3, 7)]

    def side_by_side() -> np.ndarray:
        values = np.empty((1 << 18, 2), np.uint8)
        values[:, 0], values[:, 1] = segments
        return values[:, ::-1].copy().view("<u2")

    def once(join) -> float:
        begin = perf_counter()
        join()
        return perf_counter() - begin

    ours = min(once(lambda: decoding._joined(segments, np.dtype("<u2"))) for _ in range(30))
    assert ours * 3 < min(once(side_by_side) for _ in range(30))
    assert (decoding._joined(segments, np.dtype("<i2")) == 3 * 256 + 7).all()
