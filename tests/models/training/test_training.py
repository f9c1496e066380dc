"""The command `train`, in a process of its own: killed, told to stop, resumed, made longer."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import yaml

from models import data
from models.cli import main

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CONFIG = {
    "name": "balls",
    "seed": 3,
    "data": {"dataset": "balls", "options": {"number": 8}},
    "network": {
        "name": "unet",
        "options": {"channels": [4, 8], "num_res_units": 1, "dropout": 0.1},
    },
    "optimiser": {"learning_rate": 0.01, "warmup_steps": 2},
    "training": {"epochs": 3, "batch_size": 2, "checkpoint_every": 1, "ema": 0.9},
}


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    return file


def started(config, output, *changes, wait_at=None):
    """Start the command; with `wait_at` it stands still before that item of its data."""
    words = [sys.executable, HERE / "with_synthetic.py", "train", config, "--output", output]
    words += [word for change in changes for word in ("--set", change)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if wait_at is not None:
        environment |= {"BALLS_WAIT_AT": str(wait_at), "BALLS_GO": f"{output}.go"}
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def trained(config, output, *changes):
    process = started(config, output, *changes)
    said, complaints = process.communicate()
    return process.returncode, said, complaints


def waiting(process):
    """Read what the process says until it stands still; its errors otherwise."""
    heard = []
    for line in process.stderr:
        heard.append(line)
        if "standing still" in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return
    pytest.fail("".join(heard))


def weights(folder, name="last.pt"):
    return torch.load(folder / name, weights_only=True)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    code, _, complaints = trained(file, folder / "run")
    assert code == 0, complaints
    return folder / "run"


@pytest.mark.parametrize(("item", "step"), [(7, 2), (12, 4)])
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(straight, config, tmp_path, item, step):
    """One item is looked at beforehand, an epoch takes 8, a validation 2: so 12 begins an epoch."""
    output = tmp_path / "run"
    process = started(config, output, wait_at=item)
    waiting(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut = torch.load(output / "resume.ckpt", weights_only=True)
    assert cut["global_step"] == step

    code, said, complaints = trained(config, output)

    assert code == 0, complaints
    assert "Over (epochs)" in said
    for name in ("last.pt", "best.pt"):
        assert same(weights(output, name), weights(straight, name))
    told, wanted = (json.loads((f / "training.json").read_text()) for f in (output, straight))
    assert [e["step"] for e in told["history"]] == [4, 8, 12]
    assert [e["validation"] for e in told["history"]] == [
        e["validation"] for e in wanted["history"]
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_keeps_a_checkpoint(straight, config, tmp_path, number):
    output = tmp_path / "run"
    seldom = "training.checkpoint_every=1000"
    process = started(config, output, seldom, wait_at=7)
    waiting(process)
    process.send_signal(number)
    Path(f"{output}.go").touch()
    assert process.wait() == 130

    assert torch.load(output / "resume.ckpt", weights_only=True)["global_step"] == 3
    code, _, complaints = trained(config, output)
    assert code == 0, complaints
    assert same(weights(output), weights(straight))


def test_a_run_is_not_stopped_within_a_change_of_the_weights(config, tmp_path):
    output = tmp_path / "run"
    process = started(config, output, "training.accumulate=2", wait_at=7)
    waiting(process)
    process.send_signal(signal.SIGTERM)
    Path(f"{output}.go").touch()
    assert process.wait() == 130
    cut = torch.load(output / "resume.ckpt", weights_only=True)
    assert cut["global_step"] == 2


def test_what_a_run_leaves_says_where_it_came_from(straight):
    told = json.loads((straight / "training.json").read_text())

    assert told["finished"] == "epochs"
    assert told["classes"] == ["background", "small", "large"]
    assert told["data"] == {"made": "balls"}
    assert told["network"]["options"]["out_channels"] == 3
    assert told["machine"]["libraries"]["torch"] == torch.__version__
    assert told["peak_memory_mb"]["host"] > 100
    assert told["seconds"] > 0
    assert set(told["history"][0]["validation"]) == {"dice", "dice/small", "dice/large"}
    assert any(file.name.startswith("events") for file in (straight / "logs").iterdir())
    assert not list(straight.glob(".*"))


def in_this_process(monkeypatch, *words):
    monkeypatch.setitem(data.DATASETS, "balls", "tests.models.training.synthetic:open_balls")
    monkeypatch.setitem(data.DATASETS, "lights", "tests.models.training.synthetic:open_lights")
    return main(["train", *map(str, words)])


def test_a_run_that_is_over_is_not_run_again(straight, config, monkeypatch, capsys):
    before = (straight / "last.pt").stat().st_mtime_ns
    assert in_this_process(monkeypatch, config, "--output", straight) == 0
    assert capsys.readouterr().out.startswith("Over (epochs)")
    assert (straight / "last.pt").stat().st_mtime_ns == before


def test_a_run_may_be_made_longer(straight, config, tmp_path, monkeypatch):
    output = tmp_path / "longer"
    output.mkdir()
    for name in ("resume.ckpt", "training.json", "best.pt"):
        (output / name).write_bytes((straight / name).read_bytes())
    longer = ["--set", "training.epochs=4"]
    assert in_this_process(monkeypatch, config, "--output", output, *longer) == 0
    told = json.loads((output / "training.json").read_text())
    assert [entry["epoch"] for entry in told["history"]] == [1, 2, 3, 4]


def test_another_configuration_does_not_go_on_with_a_run(straight, config, monkeypatch, capsys):
    other = ["--output", straight, "--set", "optimiser.learning_rate=0.1"]
    assert in_this_process(monkeypatch, config, *other) == 2
    assert "another optimiser.learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("training.epoch=4", "training.epoch: Extra inputs"),
        ("optimiser.schedule=sine", "optimiser.schedule"),
        ("name=a/b", "name"),
        ("training.epochs", "KEY=VALUE is wanted"),
        ("network.name=vnet", "network.name: no network is called vnet"),
        ("network.options.depth=3", "depth"),
        ("network.options.out_channels=9", "network.options.out_channels: 9, but the data have 3"),
        ("data.dataset=cubes", "no data set is called cubes"),
        ("training.batch_size=9", "training.batch_size 9 is more"),
    ],
)
def test_a_wrong_key_is_named(change, text, config, tmp_path, monkeypatch, capsys):
    words = [config, "--output", tmp_path / "run", "--set", change]
    assert in_this_process(monkeypatch, *words) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    assert in_this_process(monkeypatch, tmp_path / "gone.yaml") == 2
    assert "gone.yaml: No such file" in capsys.readouterr().err


def test_classes_are_learnt_until_nothing_is_gained(config, tmp_path, monkeypatch):
    words = [config, "--output", tmp_path / "run"]
    changes = ["data.dataset=lights", "training.epochs=20", "training.patience=2"]
    changes += ["network={name: resnet18_3d, options: {widen: 0.125}}", "training.ema=null"]
    changes += ["data.options.size=32", "training.precision=bf16-mixed"]
    words += [word for change in changes for word in ("--set", change)]

    assert in_this_process(monkeypatch, *words) == 0

    told = json.loads((tmp_path / "run" / "training.json").read_text())
    assert told["finished"] == "patience"
    assert told["best_score"] == 1.0
    assert set(told["history"][0]["validation"]) == {"auc", "auc/dark", "auc/bright", "accuracy"}


def test_a_run_may_take_so_many_minutes_only(config, tmp_path, monkeypatch):
    words = [config, "--output", tmp_path / "run", "--set", "training.minutes=0.0001"]
    assert in_this_process(monkeypatch, *words) == 0
    told = json.loads((tmp_path / "run" / "training.json").read_text())
    assert told["finished"] == "minutes"
    assert len(told["history"]) == 1


def test_training_starts_from_weights_that_are_named(straight, config, tmp_path, monkeypatch):
    words = [config, "--output", tmp_path / "run"]
    for change in (
        f"training.initial_weights={straight / 'best.pt'}",
        "optimiser.learning_rate=1e-12",
        "training.epochs=1",
        "training.workers=0",  # a fork here would wait for threads of other tests
        "training.window=[8, 8, 8]",
    ):
        words += ["--set", change]
    assert in_this_process(monkeypatch, *words) == 0
    begun, left = weights(straight, "best.pt"), weights(tmp_path / "run")
    for key, tensor in begun.items():
        torch.testing.assert_close(left[key], tensor)
