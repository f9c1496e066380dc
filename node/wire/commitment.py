"""What a peer says of the instances that we asked it to vouch for (storage commitment)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from node.dicom import status


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an N-EVENT-REPORT says: which instances the peer vouches for, and which not, why."""

    transaction_uid: str
    committed: tuple[str, ...]
    refused: dict[str, str]


def read_report(information: Dataset) -> CommitmentReport:
    """Read the event information of a storage commitment report (PS3.4 J.3.3)."""
    committed = tuple(
        str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence", [])
    )
    refused = {
        str(item.ReferencedSOPInstanceUID): status.commitment_failure(int(item.FailureReason))
        for item in information.get("FailedSOPSequence", [])
    }
    return CommitmentReport(str(information.TransactionUID), committed, refused)
