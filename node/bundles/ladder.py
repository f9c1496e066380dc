"""What is tried, one after another, when a model runs out of memory or a compiled one fails.

First fewer windows at once, then the next way of executing the network, in the end the CPU where
the configuration allows that: slow, but it has the machine's memory. Every step goes on record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from node.bundles.machine import Machine
from node.bundles.manifest import Bundle
from node.bundles.ways import TORCH, Way


@dataclass(frozen=True, slots=True)
class Rung:
    """One try: a way, and how many windows at once (0: as many as the bundle asks for)."""

    way: Way
    batch: int = 0


def ways_of(bundle: Bundle, machine: Machine, *, cpu: bool) -> list[Way]:
    """List the ways of a bundle, the best first; the reference is always among them.

    Args:
        bundle: from the shelf.
        machine: what there is to compute with.
        cpu: whether a model that did not fit on the accelerator may be run on the processor.
    """
    ways = [*bundle.ways, bundle.reference]
    if on_card(bundle.reference, machine):
        ways.append(replace(bundle.reference, device="cpu"))
    if not cpu and on_card(ways[0], machine):
        ways = [way for way in ways if on_card(way, machine)]
    return ways


def on_card(way: Way, machine: Machine) -> bool:
    """Say whether a way uses the accelerator."""
    return bool(machine.gpu) and way.engine != "openvino" and way.device != "cpu"


def smaller(bundle: Bundle, rung: Rung) -> Iterator[Rung]:
    """Give the rungs below one with fewer windows at once, down to one by one."""
    batch = rung.batch or windows_at_once(bundle, rung.way)
    while batch > 1:
        batch //= 2
        yield replace(rung, batch=batch)


def windows_at_once(bundle: Bundle, way: Way) -> int:
    """Say how many windows the engine is given at once at first."""
    inferer = bundle.manifest.recipe.inferer
    if inferer.name != "SlidingWindowInferer":
        return 1
    asked = inferer.arguments.get("sw_batch_size", 1)
    asked = asked if isinstance(asked, int) else 1
    return max(asked, 2) if way.engine in TORCH else asked
