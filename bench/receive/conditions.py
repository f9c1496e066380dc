"""What is sent, by whom, through how many associations, and to which receivers."""

from collections.abc import Collection
from dataclasses import dataclass

from bench.receive import receivers as to

TOOLS = ("dcmsend", "storescu")
MULTIFRAME_FRAMES = 512
"""Of 2 MiB each: 1.07 GB."""

_FLOORS = (to.FLOOR, to.FLOOR_SYNCED)
_OURS = (to.RADNODE, to.RADNODE_NONE, to.RADNODE_TWO)
_CLOSE = (*_FLOORS, to.STORESCP_B, to.ORTHANC, *_OURS)
_ALL = tuple(name for name in to.PROMISES if name not in to.AS_SHIPPED)
_SPOKEN = tuple(name for name in _ALL if name not in _FLOORS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is measured.

    `sender` is dcmsend, storescu, or a mode of the blaster; `count` is per association.
    """

    title: str
    shape: str
    sender: str
    associations: int
    count: int
    receivers: Collection[str]

    @property
    def stores(self) -> bool:
        """Whether instances are sent."""
        return self.sender not in ("echo", "associate")

    def per_association(self, share: float) -> int:
        """How many each association sends if only a share of all is wanted; at least two."""
        if self.count == 1:
            return 1
        return max(2, round(self.count * share))


def ct(associations: int) -> str:
    """Title of the condition with CT slices by the blaster."""
    return _titled("CT 512x512", associations)


def mr(associations: int) -> str:
    """Title of the condition with MR slices by the blaster."""
    return _titled("MR 256x256", associations)


def _titled(what: str, associations: int) -> str:
    return f"{what}, {associations} association{'s' if associations > 1 else ''}"


MULTIFRAME = "1 GB multiframe, 1 association"
ECHO = "C-ECHO on an open association"
ASSOCIATE = "associate, C-ECHO, release"
SINGLE = "associate, 1 CT, release"


CONDITIONS = (
    Condition(ct(1), "ct", "store", 1, 500, _ALL),
    Condition(ct(4), "ct", "store", 4, 150, _ALL),
    Condition(ct(16), "ct", "store", 16, 40, _CLOSE),
    Condition(mr(1), "mr", "store", 1, 800, _ALL),
    Condition(mr(4), "mr", "store", 4, 250, _CLOSE),
    Condition(mr(16), "mr", "store", 16, 60, _CLOSE),
    Condition(_titled("1 kB", 1), "small", "store", 1, 1000, _CLOSE),
    Condition(_titled("1 kB", 4), "small", "store", 4, 400, _CLOSE),
    Condition(_titled("1 kB", 16), "small", "store", 16, 100, _CLOSE),
    Condition(MULTIFRAME, "multiframe", "store", 1, 1, (*_CLOSE[:-1], to.PLAIN)),
    Condition(_titled("CT by dcmsend", 1), "ct", "dcmsend", 1, 200, _SPOKEN),
    Condition(_titled("CT by dcmsend", 4), "ct", "dcmsend", 4, 50, _SPOKEN),
    Condition(_titled("CT by storescu", 1), "ct", "storescu", 1, 200, _SPOKEN),
    Condition(_titled("CT by storescu", 4), "ct", "storescu", 4, 50, _SPOKEN),
    Condition(ECHO, "ct", "echo", 1, 300, _SPOKEN),
    Condition(ASSOCIATE, "ct", "associate", 1, 100, _SPOKEN),
    Condition(SINGLE, "ct", "single", 1, 50, _SPOKEN),
    Condition("CT, receivers as shipped", "ct", "store", 1, 20, to.AS_SHIPPED),
)
