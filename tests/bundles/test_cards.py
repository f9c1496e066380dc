"""A unit compiles for, asks about and fills its own card, not the first one of the machine."""

import json
import os
import sys

import pytest

from node.bundles import cards
from node.bundles.cards import Watch
from node.bundles.compiling import Workshop, _answer
from node.bundles.pool import Pool

SMI = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *"-i 1 "*name*) echo "NVIDIA L4, 8.9, 580.10" ;;
  *"-i 0 "*name*) echo "NVIDIA T4, 7.5, 580.10" ;;
  *"-i 1 "*) echo "87, 3000, 23034, 61" ;;
  *) echo "No devices were found"; exit 6 ;;
esac
"""
TEGRA = (
    "11-29-2026 09:00:00 RAM 2450/7772MB (lfb 8x4MB) SWAP 0/3886MB CPU [9%@1420] EMC_FREQ 0% "
    "GR3D_FREQ 35% CPU@45C GPU@44.5C AO@41C"
)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put fake programs in place of the machine's own; give a way to add one."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def add(name, text):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def smi(programs, tmp_path):
    programs("nvidia-smi", SMI.format(log=tmp_path / "asked.txt"))
    return tmp_path / "asked.txt"


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        ("1", "NVIDIA L4, 8.9, 580.10"),
        ("1,0", "NVIDIA L4, 8.9, 580.10"),
        (None, "NVIDIA T4, 7.5, 580.10"),
        ("", ""),
        ("-1", ""),
        ("7", ""),
    ],
)
def test_the_card_is_the_units_own(smi, monkeypatch, visible, name):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards.card_name() == name


def test_its_state_is_that_of_its_own_card(smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert str(cards.state()) == "87 % busy, 3000 of 23034 MiB used, 61 C"
    assert all(line.startswith("-i 1 ") for line in smi.read_text().splitlines())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert cards.state() is None


def test_a_jetson_is_asked_in_its_own_way(programs, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    programs("tegrastats", f"#!/bin/sh\nwhile true; do echo '{TEGRA}'; sleep 0.1; done\n")
    told = "35 % busy, 2450 of 7772 MiB used, shared with the processor, 44 C"
    assert str(cards.state()) == told


def test_without_any_such_program_nothing_is_claimed(programs):
    assert (cards.card_name(), cards.state()) == ("", None)


def test_it_is_looked_at_while_the_model_runs(programs, tmp_path, monkeypatch):
    counter = tmp_path / "looks"
    programs(
        "nvidia-smi", f"#!/bin/sh\necho x >> {counter}\necho $(wc -l < {counter}), 10, 100, 50\n"
    )
    monkeypatch.setattr(cards, "LOOK_SECONDS", 0.02)
    with Watch() as watch:
        while len(watch._seen) < 3:
            watch._ended.wait(0.01)
    assert int(watch.told()["card"].split(" % busy")[0]) >= 3
    assert "looks while it ran" in watch.told()["card"]
    with Watch(looks=False) as watch:
        pass
    assert watch.told() == {}


def test_what_builds_a_plan_sees_the_same_card(tmp_path, monkeypatch):
    fake = tmp_path / "python"
    fake.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nsys.stdin.readline()\n"
        "names = ('CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH', 'CUDA_DEVICE_ORDER', 'SECRET')\n"
        "print(json.dumps({name: os.environ.get(name) for name in names}))\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/tensorrt/lib")
    monkeypatch.setenv("SECRET", "ours")
    shop = Workshop(None, None, None, 1, python=str(fake))
    assert _answer(shop, {}) == {
        "CUDA_VISIBLE_DEVICES": "3",
        "LD_LIBRARY_PATH": "/opt/tensorrt/lib",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "SECRET": None,
    }
    assert json.dumps(cards.variables())


# ---- the accelerator's memory -----------------------------------------------------------------


class Held:
    """A process that holds so much."""

    def __init__(self, memory_mb, card_mb):
        self.memory_mb, self.card_mb = memory_mb, card_mb

    def is_gone(self):
        return False

    def kill(self):
        pass


def pool_of(tmp_path, *sizes, **how):
    children = [Held(*size) for size in sizes]
    left = iter(children)
    pool = Pool(lambda: next(left), 10_000, **how)
    for number in range(len(children)):
        pool.add(f"model {number}", tmp_path / "no weights")
        pool.settle(f"model {number}")
    return [name for name in ("model 0", "model 1", "model 2") if pool.get(name)]


def test_models_that_fill_the_card_go_the_oldest_first(tmp_path):
    sizes = [(100, 600), (100, 0), (100, 600)]
    assert pool_of(tmp_path, *sizes, card_mb=1000) == ["model 1", "model 2"]
    assert pool_of(tmp_path, *sizes, card_mb=2000) == ["model 0", "model 1", "model 2"]
    assert pool_of(tmp_path, *sizes) == ["model 0", "model 1", "model 2"]


def test_one_that_is_larger_than_the_card_is_kept_alone(tmp_path):
    assert pool_of(tmp_path, (100, 600), (100, 1500), card_mb=1000) == ["model 1"]


def test_memory_that_is_shared_counts_once_for_both(tmp_path):
    sizes = [(3000, 3000), (3000, 3000)]
    assert pool_of(tmp_path, *sizes, card_mb=1000, shared=True) == ["model 1"]
