"""Parts of the trainer by themselves: order, schedule, judges, and a fault of torch gone around."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.training.config import Optimiser, Training
from models.training.feeding import Order, training_loader
from models.training.judging import judge
from models.training.scheduling import learning_rate
from models.training.small_volumes import FullPrecisionForSmallVolumes, guarded
from tests.models.training.synthetic import open_balls


def test_an_epoch_has_every_item_once_and_the_next_one_another_order():
    order = Order(items=10, wanted=10, seed=1)
    first, second = order.drawn(0), order.drawn(1)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first == Order(items=10, wanted=10, seed=1).drawn(0)
    assert len(Order(items=3, wanted=8, seed=1).drawn(0)) == 8


def test_an_order_begins_where_it_was_left_and_only_once():
    order = Order(items=6, wanted=6, seed=1)
    order.begin_at(2, 4)
    assert list(order) == [(2, index) for index in order.drawn(2)[4:]]
    order.set_epoch(3)
    assert len(list(order)) == 6


def draw(workers):
    """Hold what a loader gives of two epochs against the items themselves."""
    training = Training(epochs=2, batch_size=2, workers=workers)
    splits = open_balls({"number": 4, "size": 10}, 7)
    loader, order = training_loader(splits, training, seed=1)
    for epoch in (0, 1):
        order.set_epoch(epoch)
        batches = list(loader)
        splits.training.set_epoch(epoch)
        wanted = [splits.training[index]["image"] for index in order.drawn(epoch)]
        torch.testing.assert_close(torch.cat([b["image"] for b in batches]), torch.stack(wanted))


def test_the_loader_draws_the_items_of_the_epoch():
    draw(0)


def test_workers_draw_the_items_of_the_epoch():
    """In a process that has not computed yet: torch's threads do not outlive a fork."""
    script = "import torch; torch.set_num_threads(1)\n"
    script += "from tests.models.training.test_parts import draw; draw(1)"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr


def test_the_learning_rate_warms_up_and_falls():
    shares = [learning_rate(Optimiser(warmup_steps=4), 20)(step) for step in range(21)]
    assert shares[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert shares[4] == 1.0
    assert shares[4:] == sorted(shares[4:], reverse=True)
    assert shares[20] == pytest.approx(0.0)
    assert learning_rate(Optimiser(schedule="poly"), 20)(10) == pytest.approx(0.5**0.9)
    assert learning_rate(Optimiser(schedule="constant"), 20)(19) == 1.0


def test_dice_is_added_up_over_images_and_absent_classes_are_not_counted():
    judged = judge("segmentation", ("background", "a", "b", "c"))
    truth = torch.tensor([[[[0, 1, 1, 2]]], [[[0, 0, 0, 0]]]])
    found = torch.tensor([[[0, 1, 1, 1]], [[1, 0, 0, 0]]])
    logits = torch.nn.functional.one_hot(found, 4).movedim(-1, 1).float()
    for image in range(2):
        judged.add(logits[image : image + 1], truth[image : image + 1])
    assert judged.figures() == {
        "dice": pytest.approx((2 * 2 / (4 + 2) + 0) / 2),
        "dice/a": pytest.approx(2 * 2 / (4 + 2)),
        "dice/b": 0.0,
        "dice/c": None,
    }


def test_one_class_alone_has_no_area_under_the_curve():
    judged = judge("classification", ("a", "b"))
    judged.add(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    assert judged.figures() == {"auc": None, "accuracy": 0.5}


@pytest.mark.parametrize(("kernel", "side"), [(3, 2), (5, 4), (7, 4), (3, 4)])
def test_small_volumes_have_right_gradients_in_half_precision(kernel, side):
    torch.manual_seed(0)
    layer = torch.nn.Conv3d(16, 16, kernel, padding=kernel // 2)
    images = torch.randn(2, 16, *[side] * 3)
    layer(images).sin().sum().backward()
    wanted = layer.weight.grad.clone()
    for _ in range(10):
        layer.zero_grad()
        with FullPrecisionForSmallVolumes(), torch.autocast("cpu", torch.bfloat16):
            layer(images).float().sin().sum().backward()
        assert (layer.weight.grad - wanted).abs().max() < 0.03 * wanted.abs().max()


def test_the_guard_stands_on_a_cpu_in_half_precision_only():
    assert isinstance(guarded("bf16-mixed", torch.device("cpu")), FullPrecisionForSmallVolumes)
    for precision, device in (("32", "cpu"), ("bf16-mixed", "cuda")):
        guard = guarded(precision, torch.device(device))
        assert not isinstance(guard, FullPrecisionForSmallVolumes)
