"""Which objects and services at a glance (PS3.2 N.1)."""

from node.dicom import services
from node.wire.conformance.created import CREATED
from node.wire.conformance.tables import (
    AVAILABILITY,
    FIND,
    MPPS,
    NO,
    STORAGE_COMMITMENT,
    VERIFICATION,
    YES,
    named,
    table,
)


def section() -> str:
    """Write section 1."""
    return f"""\
## 1 Overview
radnode receives images over the DICOM network, has models of artificial intelligence look at them,
and stores what they find in the same study: segmentations, structured reports and other results.

### 1.1 Content and Transfer
Images, and everything else of a patient's study, are received and kept as they come, and read by
models that can use them. Only the SOP Classes marked *created* are made and sent.

{_content()}

#### 1.1.1 Structured Reporting Root Template IDs
{_templates()}

### 1.2 DIMSE Services

#### 1.2.1 Verification
{table(("SOP Class", "UID", "SCU", "SCP"), [(*named(VERIFICATION), YES, YES)])}

#### 1.2.2 Storage
The Storage SOP Classes are those of 1.1.

{table(("SOP Class", "UID", "SCU", "SCP"), [(*named(STORAGE_COMMITMENT), YES, NO)])}

Requests to commit are accepted as SCP to be refused: see 5.2.6.

#### 1.2.3 Workflow Management
{table(("SOP Class", "UID", "SCU", "SCP"), [(*named(u), NO, YES) for u in (MPPS, AVAILABILITY)])}

#### 1.2.4 Query/Retrieve
{table(("SOP Class", "UID", "SCU", "SCP"), [(*named(FIND), YES, NO)])}

#### 1.2.5 Printing
Not supported.

### 1.3 DICOM Web Services
Not supported.

### 1.4 Media Services
Not supported: no media are written or read.

### 1.5 Real-Time Video
Not supported.

### 1.6 De-identification Profiles
None. Identity is neither removed nor changed: results bear the patient of their images.

### 1.7 Specific Character Sets
Any, see 5.7."""


def _content() -> str:
    made = {uid for kind, uid in services.RESULT_CLASSES.items() if kind in CREATED}
    everything = sorted({*services.STORAGE_CLASSES, *made})
    rows = [
        (
            *named(uid),
            YES if uid in made else NO,
            YES if uid in made else NO,
            YES if uid in services.STORAGE_CLASSES else NO,
        )
        for uid in everything
    ]
    return table(("SOP Class", "UID", "Created", "Sent (SCU)", "Received (SCP)"), rows)


def _templates() -> str:
    rows = [
        (services.name(services.RESULT_CLASSES[kind]), one.template)
        for kind, one in CREATED.items()
        if one.template
    ]
    return table(("SOP Class", "Template"), rows)
