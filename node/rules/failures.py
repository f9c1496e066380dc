"""What can go wrong, whose fault it is, and whether trying again can help."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose fault a failure is, which decides what happens next."""

    INPUT = "input"  # the series cannot be used: refuse it, a retry changes nothing
    MODEL = "model"  # the bundle is unfit or wrong: a person must look at the shelf
    NODE = "node"  # ours: disk, memory, a crashed or hung child process; trying again may help
    PEER = "peer"  # the other side: it is down, or it refuses


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that is not going to happen, and why, in words for a person.

    `reason` is one plain sentence without patient data; `advice` says what a person can do.
    """

    reason: str
    fault: Fault = Fault.INPUT
    advice: str = ""
    again: bool = False

    def __str__(self) -> str:
        """Give reason and advice in one line."""
        return f"{self.reason}. {self.advice}".rstrip(". ") + "."
