"""How much memory models may use, and whether they may be run on the processor instead."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a model may use.

    `memory_mb` bounds what its process may allocate (0: no bound), `cpu` says whether it may be
    run on the processor when it does not fit on the accelerator.
    """

    memory_mb: float = 0.0
    cpu: bool = True


@dataclass(frozen=True, slots=True)
class Allowances:
    """What models may use: all of them together, each by default, and single ones by name."""

    together_mb: float = 0.0
    of_each: Allowance = field(default_factory=Allowance)
    of: Mapping[str, Allowance] = field(default_factory=dict)

    def of_model(self, name: str) -> Allowance:
        """Give what one model may use."""
        return self.of.get(name, self.of_each)
