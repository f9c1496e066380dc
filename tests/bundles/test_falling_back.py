"""Whether a model may run on the processor is the route's to say, and every step is on record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from node.app.house import routes_of
from node.bundles import runner as running
from node.bundles.allowing import Allowance, Allowances
from node.bundles.machine import Machine
from node.bundles.runner import Runner
from node.config import load
from node.dicom.findings import Findings
from node.rules.failures import Refusal
from node.rules.nouns import Route
from node.stages.infer import Limits

CARD = Machine("x86_64", frozenset(), "NVIDIA L4, 8.9, 580.10")


class Process:
    """A model's process that has room for the network on the processor only."""

    memory_mb = card_mb = 0.0

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    def ask(self, request: dict, _seconds: float) -> dict:
        if request["verb"] == "load":
            self.device = request["device"]
            return {"ready": {}}
        if self.device != "cpu":
            return {"out_of_memory": "the card is full"}
        np.save(request["answer"], np.ones(np.load(request["voxels"]).shape, np.uint8))
        return {"done": {"labels": request["answer"], "seconds": {}}}

    def is_gone(self) -> bool:
        return False

    def kill(self) -> None:
        pass


@pytest.fixture
def predict(make_bundle, put, block, tmp_path, monkeypatch):
    bundle = replace(put(make_bundle()), engine="torchscript")
    monkeypatch.setattr(running, "this_machine", lambda: CARD)
    monkeypatch.setattr(running, "Child", lambda _python, _variables: Process())

    def go(*, model: bool, route: bool | None) -> Findings | Refusal:
        allowed = Allowances(of_each=Allowance(cpu=model))
        runner = Runner(threads=1, allowances=allowed)
        return runner.predict(bundle, block, Path(tmp_path), 60, cpu=route)

    return go


@pytest.mark.parametrize(
    ("model", "route"), [(True, None), (True, True), (False, True)], ids=["as it was", "both", "it"]
)
def test_it_is_run_on_the_processor_where_that_is_allowed(predict, model, route):
    found = predict(model=model, route=route)
    assert isinstance(found, Findings), found
    assert "torch f32 ran out of memory (the card is full)" in found.facts["fallback"]


@pytest.mark.parametrize(
    ("model", "route"), [(False, None), (True, False)], ids=["nor the model", "nor the route"]
)
def test_it_is_refused_where_it_is_not_and_the_steps_are_told(predict, model, route):
    refusal = predict(model=model, route=route)
    assert isinstance(refusal, Refusal)
    assert "torch f32 ran out of memory (the card is full)" in refusal.reason
    assert refusal.reason.endswith("the processor may not be used instead")


def test_the_configuration_says_it_for_each_route(tmp_path):
    text = "routes:\n"
    for name, said in (
        ("a", ""),
        ("b", ", fall_back_to_cpu: true"),
        ("c", ", fall_back_to_cpu: false"),
    ):
        text += f"  - {{name: {name}, when: {{Modality: CT}}, model: m{said}}}\n"
    (tmp_path / "config.yaml").write_text(text)
    routes = routes_of(load(tmp_path / "config.yaml"))
    assert [route.fall_back_to_cpu for route in routes] == [None, True, False]
    limits = Limits(routes={route.name: route for route in routes})
    assert [limits.may_fall_back(name) for name in ("a", "b", "c", "gone")] == [
        None,
        True,
        False,
        None,
    ]
    assert isinstance(routes[0], Route)
