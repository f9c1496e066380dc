"""The headers of a volume's images, made into data sets only when somebody looks at them."""

from collections.abc import Iterator, Sequence
from typing import overload

from pydicom.dataset import Dataset

from node.dicom.scanning import Scan


class Headers(Sequence[Dataset]):
    """The headers of a volume's images, in slice order, each made when it is first looked at."""

    def __init__(self, scans: Sequence[Scan]) -> None:
        self._scans = tuple(scans)

    def __len__(self) -> int:
        return len(self._scans)

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> "Headers": ...
    def __getitem__(self, index: int | slice) -> "Dataset | Headers":
        if isinstance(index, slice):
            return Headers(self._scans[index])
        return self._scans[index].dataset()

    def __iter__(self) -> Iterator[Dataset]:
        return (scan.dataset() for scan in self._scans)
