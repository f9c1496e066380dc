"""What peers tell us of series beside their images: how many there are, and what is committed.

A modality's performed procedure step that is completed (MPPS, PS3.4 F.7), an instance availability
notification (PS3.4 R) and a request to commit to instances (PS3.4 J) each name the images that
there are, by people who must know. Nothing else of them is kept. The node is no archive: it gives
bytes back, so it refuses to commit, and says so at once.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from node import log
from node.dicom import status
from node.dicom.reading import UNREADABLE, text_of, value_of
from node.rules.nouns import Source
from node.wire.commitment import read_report
from node.wire.handler import Handler

STEPS = 1000
"""So many performed procedure steps are kept in mind until they are completed."""
_NO_ARCHIVE = "no archive: ask the PACS to commit"
_HERE = ("ONLINE", "NEARLINE")


def contexts() -> list[PresentationContext]:
    """Give what is offered: as SCP of all three, and as SCU of storage commitment, for reports."""
    commitment = build_context(StorageCommitmentPushModel)
    commitment.scu_role = commitment.scp_role = True
    return [
        commitment,
        build_context(ModalityPerformedProcedureStep),
        build_context(InstanceAvailabilityNotification),
    ]


class Announcements:
    """Answers those requests; pynetdicom calls it from the associations' threads."""

    def __init__(self, handler: Handler, name_of: Callable[[Association], str | None]) -> None:
        """Tell `handler`; `name_of` gives the name of an association that was let in."""
        self._handler = handler
        self._name_of = name_of
        self._steps: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._lock = Lock()

    def handlers(self) -> list[evt.EventHandlerType]:
        """Give who is to be called on what."""
        return [
            (evt.EVT_N_CREATE, self._created),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_ACTION, self._asked),
            (evt.EVT_N_EVENT_REPORT, self._reported),
        ]

    def _created(self, event: Event) -> tuple[int, Dataset | None]:
        """Take a new step, or a notification, which is all there is of it."""
        association = self._name_of(event.assoc)
        if association is None:
            return status.PROCESSING_FAILURE, None
        try:
            said = event.attribute_list
            if event.request.AffectedSOPClassUID == InstanceAvailabilityNotification:
                self._tell(association, Source.AVAILABILITY, available(said))
            else:
                uid = str(event.request.AffectedSOPInstanceUID or "")
                self._step(association, uid, said)
        except UNREADABLE:
            return self._not_understood("N-CREATE")
        return status.SUCCESS, said

    def _set(self, event: Event) -> tuple[int, Dataset | None]:
        """Take what is new of a step.

        Steps are not kept, so one that was begun before this process was is as good as any.
        """
        association = self._name_of(event.assoc)
        if association is None:
            return status.PROCESSING_FAILURE, None
        try:
            said = event.modification_list
            self._step(association, str(event.request.RequestedSOPInstanceUID), said)
        except UNREADABLE:
            return self._not_understood("N-SET")
        return status.SUCCESS, said

    def _step(self, association: str, uid: str, said: Dataset) -> None:
        counted = performed(said)
        state = text_of(said, "PerformedProcedureStepStatus")
        with self._lock:
            known = {**self._steps.pop(uid, {}), **counted}
            if state in ("", "IN PROGRESS"):
                self._steps[uid] = known
                while len(self._steps) > STEPS:
                    self._steps.popitem(last=False)
        if state == "COMPLETED":
            self._tell(association, Source.MPPS, known)

    def _asked(self, event: Event) -> tuple[Dataset, None]:
        """Take a request to commit for what it says of the images that there are, and refuse it."""
        answer = Dataset()
        answer.Status = status.PROCESSING_FAILURE
        association = self._name_of(event.assoc)
        if association is None:
            return answer, None
        try:
            wanted = [
                text_of(item, "ReferencedSOPInstanceUID")
                for item in _items(event.action_information, "ReferencedSOPSequence")
            ]
        except UNREADABLE:
            answer.Status, _ = self._not_understood("N-ACTION")
            return answer, None
        named = [uid for uid in wanted if uid]
        self._handler.instances_announced(association, Source.COMMITMENT, named)
        answer.Status = status.RESOURCE_LIMITATION
        answer.ErrorComment = _NO_ARCHIVE
        return answer, None

    def _reported(self, event: Event) -> tuple[int, None]:
        if self._name_of(event.assoc) is None:
            return status.PROCESSING_FAILURE, None
        self._handler.commitment_reported(read_report(event.event_information))
        return status.SUCCESS, None

    def _tell(self, association: str, source: str, images: Mapping[str, int]) -> None:
        if images:
            self._handler.series_announced(association, source, images)

    @staticmethod
    def _not_understood(what: str) -> tuple[int, None]:
        log.say("announcement_not_understood", "warning", reason=f"{what} cannot be read")
        return status.INVALID_ARGUMENT, None


def performed(step: Dataset) -> dict[str, int]:
    """Count the images of each series that a performed procedure step names (PS3.3 C.4.15).

    What is no image (reports, presentation states) is in a sequence of its own, and not counted.
    """
    return _counted(_items(step, "PerformedSeriesSequence"), "ReferencedImageSequence")


def available(notification: Dataset) -> dict[str, int]:
    """Count the images of each series that a notification calls available (PS3.3 C.4.23)."""
    found: dict[str, int] = {}
    for series in _items(notification, "ReferencedSeriesSequence"):
        uid = text_of(series, "SeriesInstanceUID")
        there = [
            item
            for item in _items(series, "ReferencedSOPSequence")
            if text_of(item, "InstanceAvailability") in _HERE
        ]
        if uid and there:
            found[uid] = found.get(uid, 0) + _different(there)
    return found


def _counted(series: Iterable[Dataset], sequence: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in series:
        uid = text_of(one, "SeriesInstanceUID")
        images = _different(_items(one, sequence))
        if uid and images:
            found[uid] += images
    return dict(found)


def _different(items: Iterable[Dataset]) -> int:
    return len({text_of(item, "ReferencedSOPInstanceUID") for item in items} - {""})


def _items(holder: Dataset, keyword: str) -> Items | tuple[()]:
    found = value_of(holder, keyword)
    return found if isinstance(found, Items) else ()
