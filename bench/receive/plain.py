"""Plain pynetdicom with the fast handler of its documentation: the bytes into a file, no sync.

python -m bench.receive.plain PORT FOLDER
"""

import socket
import sys
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification

from bench.receive.speaking import MAXIMUM_PDU
from node.dicom import status


def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    node = AE(ae_title="RADNODE")
    node.maximum_pdu_size = MAXIMUM_PDU
    node.maximum_associations = 50
    node.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:  # its own order would make DCMTK re-encode
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        node.add_supported_context(context.abstract_syntax, syntaxes)
    handlers = [(evt.EVT_CONN_OPEN, no_delay), (evt.EVT_C_STORE, keep, [folder])]
    node.start_server(("127.0.0.1", port), evt_handlers=handlers)


def keep(event: Event, folder: Path) -> int:
    """Write the data set as it came."""
    path = folder / str(event.request.AffectedSOPInstanceUID)
    path.write_bytes(event.encoded_dataset())
    return status.SUCCESS


def no_delay(event: Event) -> None:
    """Answer at once."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    main()
