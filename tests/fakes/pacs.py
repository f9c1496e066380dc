"""A PACS with knobs: it refuses, aborts, stalls, answers badly, or commits late or never."""

import threading
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from bench.orthanc import free_port


@dataclass
class Pacs:
    """Stores in memory; `answers` gives the status of each C-STORE in turn, then 0x0000."""

    ae_title: str = "PACS"
    answers: list[int] = field(default_factory=list)
    abort_at: int | None = None
    stall_seconds: float = 0.0
    rejects: bool = False
    accepts: tuple[str, ...] | None = None
    commits: str = "at once"  # at once, never, refuses
    received: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    echoes: int = 0
    port: int = field(default_factory=free_port)
    _server: object = None

    def __enter__(self):
        ae = AE(ae_title=self.ae_title)
        for context in AllStoragePresentationContexts:
            if self.accepts is None or context.abstract_syntax in self.accepts:
                ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
        ae.add_supported_context(Verification)
        ae.add_supported_context(StorageCommitmentPushModel)
        ae.require_called_aet = True
        ae.acse_timeout = ae.network_timeout = 3  # how long its own end lingers after an abort
        if self.rejects:
            ae.require_calling_aet = ["SOMEBODY ELSE"]
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_N_ACTION, self._commit),
        ]
        self._server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        self._ae = ae
        return self

    def __exit__(self, *_):
        self._ae.shutdown()

    def _echo(self, _):
        self.echoes += 1
        return 0x0000

    def _store(self, event):
        if self.abort_at is not None and len(self.received) >= self.abort_at:
            event.assoc.acse.send_abort(0x02)
            return 0x0110
        if self.stall_seconds:
            threading.Event().wait(self.stall_seconds)
        status = self.answers.pop(0) if self.answers else 0x0000
        if status in (0x0000, 0xB000):
            self.received.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def _commit(self, event):
        request = event.action_information
        self.asked.append(str(request.TransactionUID))
        if self.commits != "never":
            threading.Thread(target=self._report, args=(event.assoc, request), daemon=True).start()
        return 0x0000, None

    def _report(self, association, request):
        threading.Event().wait(0.1)
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        items = list(request.ReferencedSOPSequence)
        if self.commits == "refuses":
            for item in items:
                item.FailureReason = 0x0112
            report.FailedSOPSequence, kind = items, 2
        else:
            report.ReferencedSOPSequence, kind = items, 1
        association.send_n_event_report(
            report, kind, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
        )
