"""What is handed to a plan and taken from it, on a card and with a plan that are none."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from node.engines import tensorrt_engine
from node.engines.cuda import Room
from node.engines.tensorrt_engine import TensorRtEngine

SIDE = 4


class Card:
    """A card whose memory is a dictionary of arrays by address."""

    name = "a card of paper"

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.taken: list[int] = []
        self.released: list[int] = []
        self.last = 1000

    def used_mb(self) -> float:
        return 100.0

    def room(self, size: int) -> Room:
        self.last += 1
        self.taken.append(size)
        return Room(self.last, size)

    def release(self, room: Room) -> None:
        self.released.append(room.address)

    def send(self, array: np.ndarray, room: Room) -> None:
        assert array.nbytes <= room.size
        self.memory[room.address] = array.copy()

    def fetch(self, room: Room, array: np.ndarray) -> None:
        array[...] = self.memory[room.address]


class Context:
    """A plan at work that doubles what it sees."""

    def __init__(self, plan: "Plan") -> None:
        self.plan, self.card = plan, plan.card
        self.shape: tuple[int, ...] = ()
        self.addresses: dict[str, int] = {}
        self.runs = 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "image"
        self.shape = shape
        return self.plan.batch in (None, shape[0]) and shape[2:] == (SIDE,) * 3

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shape[0], 2, *self.shape[2:]) if name == "pred" else (1,)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if not self.plan.works:
            return False
        assert stream_handle == 0
        self.runs += 1
        image = self.card.memory[self.addresses["image"]]
        assert image.dtype == self.plan.kinds["image"]
        twice = np.concatenate([image, 2 * image], axis=1).astype(self.plan.kinds["pred"])
        self.card.memory[self.addresses["pred"]] = twice
        self.card.memory[self.addresses["more"]] = np.zeros(1, np.float32)
        return True


class Plan:
    """Outputs stand before the input, as they may."""

    names = ("pred", "image", "more")
    num_io_tensors = 3

    def __init__(self, card: Card, *, batch: int | None = 1, works: bool = True) -> None:
        self.card, self.batch, self.works = card, batch, works
        self.kinds = {"pred": np.float16, "image": np.float32, "more": np.float32}
        self.context = Context(self)
        self.room = True

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "image" else "out"

    def get_tensor_dtype(self, name: str) -> object:
        return self.kinds[name]

    def create_execution_context(self) -> Context | None:
        return self.context if self.room else None


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Open a plan of our own making."""

    def opened(plan: Plan | None, card: Card) -> TensorRtEngine:
        class Runtime:
            def __init__(self, _logger: object) -> None:
                pass

            def deserialize_cuda_engine(self, content: bytes) -> Plan | None:
                assert content == b"a plan"
                return plan

        class Logger:
            ERROR = 1

            def __init__(self, _level: int) -> None:
                pass

        trt = SimpleNamespace(
            Runtime=Runtime,
            Logger=Logger,
            TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
            nptype=lambda kind: kind,
            __version__="11.4.0",
        )
        monkeypatch.setattr(tensorrt_engine, "open_card", lambda: card)
        monkeypatch.setattr(tensorrt_engine, "load_tensorrt", lambda: trt)
        path: Path = tmp_path / "network.plan"
        path.write_bytes(b"a plan")
        return TensorRtEngine(path, "f16")

    return opened


def batch(count: int, kind: type = np.float32) -> np.ndarray:
    return np.arange(count * SIDE**3, dtype=kind).reshape(count, 1, SIDE, SIDE, SIDE) / 64


def test_the_first_output_comes_back_in_f32(engine):
    card = Card()
    found = engine(Plan(card), card).run(batch(1))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], batch(1)[:, 0])
    np.testing.assert_array_equal(found[:, 1], 2 * batch(1)[:, 0])


def test_a_plan_for_one_window_is_run_one_by_one(engine):
    card = Card()
    plan = Plan(card)
    found = engine(plan, card).run(batch(3))
    assert plan.context.runs == 3
    np.testing.assert_array_equal(found[:, 1], 2 * batch(3)[:, 0])


def test_a_plan_for_any_batch_gets_all_at_once(engine):
    card = Card()
    plan = Plan(card, batch=None)
    found = engine(plan, card).run(batch(3))
    assert (plan.context.runs, len(found)) == (1, 3)


def test_memory_on_the_card_is_taken_once_and_given_back_when_more_is_needed(engine):
    card = Card()
    one = engine(Plan(card, batch=None), card)
    one.run(batch(1))
    one.run(batch(1))
    assert len(card.taken) == 3
    assert not card.released
    one.run(batch(2))
    assert len(card.released) == 2
    assert one.memory_mb() == pytest.approx(sum([*card.taken[-2:], 4]) / 2**20, rel=1e-3)


def test_what_does_not_fit_the_plan_is_told(engine):
    card = Card()
    with pytest.raises(RuntimeError, match="takes no input of shape"):
        engine(Plan(card), card).run(np.zeros((1, 1, 5, 5, 5), np.float32))
    with pytest.raises(RuntimeError, match="could not run the plan"):
        engine(Plan(card, works=False), card).run(batch(1))
    with pytest.raises(RuntimeError, match="another card, driver or TensorRT"):
        engine(None, card)
    crowded = Plan(card)
    crowded.room = False
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        engine(crowded, card)


def test_it_says_what_it_runs_by(engine):
    card = Card()
    assert engine(Plan(card), card).describe() == {
        "engine": "TensorRT 11.4.0",
        "device": "a card of paper",
        "precision": "f16",
        "threads": "1",
    }
