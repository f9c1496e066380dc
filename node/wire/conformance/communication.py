"""How associations are opened and accepted, and what the statuses mean (PS3.2 N.7)."""

from pynetdicom import DEFAULT_TRANSFER_SYNTAXES

from node.config import NodeSection
from node.dicom import services, status
from node.dicom.header import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.rules.admitting import Rejection
from node.wire import outgoing, scu
from node.wire.conformance.tables import (
    AVAILABILITY,
    FIND,
    MPPS,
    STORAGE_COMMITMENT,
    VERIFICATION,
    named,
    table,
)
from node.wire.scp import REJECTIONS

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_RESULTS = {1: "rejected-permanent", 2: "rejected-transient"}
_SOURCES = {1: "service-user", 2: "service-provider (ACSE)", 3: "service-provider (presentation)"}
_WHEN = {
    Rejection.CALLED_AE: "the called AE title is not ours",
    Rejection.CALLING_AE: "no peer has this calling AE title and address",
    Rejection.CERTIFICATE: "the peer is bound to another certificate",
    Rejection.IDENTITY: "the user identity is missing, wrong, or of a type that is not checked",
    Rejection.LIMIT: "too many associations are open, of all callers or of this one",
    Rejection.BUSY: "the disk is nearly full, or something failed inside",
}
_BEHAVIOUR = {
    "success": "it counts as stored",
    "warning": "it counts as stored; the warning is kept in the audit trail",
    "temporary": "it is sent again later",
    "final": "it is kept as failed until a person retries it",
}


def section() -> str:
    """Write section 7."""
    return f"""\
## 7 Network and Media Communication Details

### 7.1 General

#### 7.1.1 General Association Parameters
{_parameters()}

### 7.2 Specifications

#### 7.2.1 RADNODE

##### 7.2.1.1 Sequencing of Real-World Activities
A series is received, over one association or several; settles; is read by a model; its results are
sent to each destination, each in its own time; commitment is asked for.

##### 7.2.1.2 Association Parameters
As in 7.1.1.

##### 7.2.1.3 Association Initiation
{_initiation()}

##### 7.2.1.4 Association Acceptance
{_acceptance()}

### 7.3 Status Codes

#### 7.3.1 General Communication and Failure Behaviour
A peer that cannot be reached, rejects or aborts the association, gives no answer in
{scu.ANSWER_SECONDS:g} s or takes no more data for so long: what it was to get is sent again later,
with growing pauses, until the configured time is up. A caller that aborts, or is lost: what was
answered with success is kept, what was not complete is thrown away.

#### 7.3.2 DIMSE Services
What C-STORE to us is answered with is said in 5.2.5.2; every failure has an Error Comment
(0000,0902). C-ECHO is answered with {status.SUCCESS:04X}. Answers to a C-STORE of ours (X is any
digit):

{_answers()}

After any status but {status.SUCCESS:04X} to N-ACTION (storage commitment)
the question is put again after an hour.

#### 7.3.3 DICOM Web Services
Not supported."""


def _parameters() -> str:
    node = NodeSection()
    return table(
        ("Parameter", "Value"),
        (
            ("Application Context Name", APPLICATION_CONTEXT),
            ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
            ("Maximum PDU that is received", f"{node.maximum_pdu} bytes (configurable)"),
            ("Maximum PDU that is sent", f"{outgoing.LARGEST_PDU} bytes, or what the peer takes"),
            ("Associations accepted at once", f"{node.maximum_associations} (configurable)"),
            ("Associations initiated at once", "one to each destination, one for commitment"),
            ("Asynchronous operations window", "1: one operation at a time; not negotiated"),
            (
                "Time for an association request",
                f"{node.request_timeout_seconds:g} s (configurable)",
            ),
            ("Time between PDUs of a caller", f"{node.idle_timeout_seconds:g} s (configurable)"),
            ("Time to connect, and for an acceptance", f"{scu.CONNECT_SECONDS:g} s"),
            ("Time for an answer", f"{scu.ANSWER_SECONDS:g} s"),
            ("Presentation contexts proposed", f"at most {scu.MAXIMUM_CONTEXTS}"),
        ),
    )


def _initiation() -> str:
    proposed = services.PROPOSED_SYNTAXES
    syntaxes = ", ".join(f"{services.name(uid)} ({uid})" for uid in proposed)
    usual = ", ".join(services.name(uid) for uid in DEFAULT_TRANSFER_SYNTAXES)
    made = dict.fromkeys(services.RESULT_CLASSES.values())
    rows = [(*named(uid), syntaxes, "SCU") for uid in made]
    rows.append((*named(STORAGE_COMMITMENT), usual, "SCU"))
    rows.append((*named(FIND), usual, "SCU"))
    rows.append((*named(VERIFICATION), usual, "SCU"))
    return f"""\
An association is opened to send results (one for all that are due), to ask for storage commitment,
to ask how many images a series has (C-FIND), and by a person's `radnode check` (C-ECHO) and
`radnode send` (any object, in the transfer syntax of its file). For each result the context of its
SOP Class is proposed, and that of a SOP Class that tells whether it is needed (see
5.2.5.1). Extended negotiation: none but SCP/SCU role selection (SCU) for storage
commitment. No user identity is sent.

{table(("Abstract Syntax", "UID", "Transfer Syntaxes", "Role"), rows)}"""


def _acceptance() -> str:
    syntaxes = table(("Transfer Syntax", "UID"), [named(u) for u in services.TRANSFER_SYNTAXES])
    rejections = table(
        ("When", "Result", "Source", "Reason"),
        [
            (_WHEN[why], _RESULTS[result], _SOURCES[source], reason)
            for why, (result, source, reason) in REJECTIONS.items()
        ],
    )
    return f"""\
Accepted are: Verification ({VERIFICATION}) as SCP; every SOP Class marked *received* in 1.1 as SCP;
Modality Performed Procedure Step ({MPPS}) and Instance Availability Notification ({AVAILABILITY})
as SCP; and Storage Commitment Push Model ({STORAGE_COMMITMENT}), for its reports, where the caller
takes the SCP role by role selection, and for requests, which are refused (5.2.6). For storage the
first of these transfer syntaxes is accepted that the caller proposes, for the others the first of
those in 7.2.1.3:

{syntaxes}

Callers are known by AE title and address, and by more where the configuration says so (see 8).
Everybody else is rejected:

{rejections}"""


def _answers() -> str:
    rows = [(code, what.kind, what.text, _BEHAVIOUR[what.kind]) for code, what in status.known()]
    rows.append(("any other", "final", "not known to the Standard", _BEHAVIOUR["final"]))
    return table(("Status", "Taken for", "Meaning", "What the node does"), rows)
