"""Writes rows as tables in Markdown."""

from collections.abc import Iterable, Sequence

from node.dicom import services

YES, NO = "Y", "N"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
VERIFICATION = "1.2.840.10008.1.1"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; a bar in a cell is escaped."""
    lines = [_line(heads), _line(["---"] * len(heads)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def named(uid: str) -> tuple[str, str]:
    """Give a SOP class or transfer syntax as the two cells that it fills."""
    return services.name(uid), uid


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
