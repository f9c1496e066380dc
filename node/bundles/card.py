"""The page on what was compiled of a model: how exact and how fast it was, measured, and on what.

It lies beside the records that it is made of, in `compiled/<model>/CARD.md`, as a bundle's own card
is part of the bundle and does not change when something is compiled of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from node.bundles.compiled import Record
from node.bundles.manifest import Bundle

COLUMNS = (
    "engine and precision",
    "used",
    "least Dice",
    "labels that differ",
    "largest shift of a probability",
    "ms for a window",
    "times as fast as",
    "cases",
    "made",
    "version",
    "artefact",
)


def card(bundle: Bundle, records: Sequence[Record]) -> str:
    """Write the page.

    Args:
        bundle: what was compiled.
        records: of what was made of it, kept or not.
    """
    who = bundle.manifest.identity
    lines = [
        f"# {who.name} {who.version}, compiled",
        "",
        f"Of the bundle with the sha256 {who.bundle_hash}. Held against its own weights in f32 on "
        "its golden cases; times are of the network alone, on one window, in turns with the next "
        "safer way. `radnode models show` says which of it may be used here and now.",
        "",
        _row(COLUMNS),
        _row(["---"] * len(COLUMNS)),
        *(_row(_cells(record)) for record in records),
        "",
        *(_reason(record) for record in records),
    ]
    return "\n".join(lines) + "\n"


def _cells(record: Record) -> Iterator[str]:
    gate = record.gate
    dice = gate.get("dice")
    yield f"{record.engine} {record.precision}"
    yield "yes" if record.passed else "no"
    yield f"{min(dice.values()):.4f}" if isinstance(dice, Mapping) and dice else "-"
    for name in ("disagreement", "probability"):
        value = gate.get(name)
        yield f"{value:.4%}" if isinstance(value, float) else "-"
    yield str(gate.get("ms") or "-")
    speed_up = gate.get("speed_up")
    yield f"{speed_up} {gate.get('safer', '')}".strip() if speed_up else "-"
    yield str(gate.get("cases") or "-")
    yield record.made_at or "-"
    yield record.key.get("engine", "-")
    yield record.digest[:16]


def _reason(record: Record) -> str:
    kept = "kept" if record.passed else "not kept"
    device = record.key.get("device", "a device that nobody named")
    return f"* {record.engine} {record.precision} on {device}: {kept}, {record.why}"


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
