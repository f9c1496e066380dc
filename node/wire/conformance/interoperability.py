"""What each service does, and what a peer can rely on (PS3.2 N.5)."""

from node.dicom import services, status
from node.wire.conformance.created import CREATED
from node.wire.conformance.tables import named, table


def section() -> str:
    """Write section 5."""
    return f"""\
## 5 Service and Interoperability Description

### 5.1 Mapping of Services to Application Entities
All services are those of the AE RADNODE: Verification as SCU and SCP, Storage as SCU and SCP,
Storage Commitment Push Model as SCU, Query (C-FIND) as SCU; as SCP, only to hear of images,
Modality Performed Procedure Step, Instance Availability Notification and Storage Commitment Push
Model.

### 5.2 DIMSE Services

#### 5.2.1 Basic Worklist Management Service
Not supported.

{_heard()}

#### 5.2.5 Storage Service

##### 5.2.5.1 SCU of the Storage SOP Classes
{_as_user()}

###### 5.2.5.1.1 Transcoding of Transfer Syntaxes
None: a result is sent as it was written, in
{", ".join(services.name(uid) for uid in services.PROPOSED_SYNTAXES)}.

##### 5.2.5.2 SCP of the Storage SOP Classes
{_as_provider()}

#### 5.2.6 Storage Commitment Service
As SCU, where the configuration says that a destination offers it. What a destination has accepted
is asked about with N-ACTION (Storage Commitment Push Model). The N-EVENT-REPORT is taken on the
same association or on one that the destination opens (it then negotiates the SCP role). What it
vouches for is final; what it does not is sent again. An unanswered request is put again after an
hour. Bytes are let go after the configured time, whether or not commitment was asked for.

As SCP: the node is no archive. A request (N-ACTION) is answered with
{status.RESOURCE_LIMITATION:04X} and an Error Comment, and no report follows. That the instances
were named is remembered as a sign of how many images a series has.

{_not_there()}

{_across_services()}"""


def _heard() -> str:
    return f"""\
#### 5.2.2 Modality Performed Procedure Step Service
As SCP of N-CREATE and N-SET: when a step is COMPLETED, the images that it names in each series
(Referenced Image Sequence) are counted, and the series is waited for until they are there. Nothing
else of a step is read or kept; an N-SET for a step that was created elsewhere is accepted, too.
What cannot be read is answered with {status.INVALID_ARGUMENT:04X}.

#### 5.2.3 Unified Worklist and Procedure Step Service
Not supported.

#### 5.2.4 Instance Availability Notification Service
As SCP of N-CREATE: instances that are ONLINE or NEARLINE are counted in the same way."""


def _not_there() -> str:
    return """\
#### 5.2.7 Query/Retrieve Service
As SCU of the Study Root Information Model, FIND alone, where the configuration says that a peer may
be queried: at SERIES level, by Study and Series Instance UID, for Number of Series Related
Instances (0020,1209), while a series is waited for. A peer that does not answer holds nothing up.

#### 5.2.8 Print Management Service
Not supported.

### 5.3 DICOM Web Services
Not supported.

### 5.4 Media Services
Not supported.

### 5.5 Real-Time Video Services
Not supported."""


def _across_services() -> str:
    return """\
### 5.6 Cross-Service Considerations
The same images, the same bundle and the same engine give the same results, byte for byte and under
the same UIDs: to send one again changes nothing at its destination. So their dates and times are no
clock's but those of the images, in the zone of the images; when a result was made is in the audit
trail. Another engine or precision makes other results, under other UIDs. A series that grows after
it was read is read again; the report of its later edition names the earlier one and its
segmentation in Predecessor
Documents Sequence (0040,A360). Of one run, the segmentation is sent before the report that refers
to it, and these before the other results.

### 5.7 Specific Character Sets
Patient and study are taken over from the images byte for byte, with their Specific Character Set
(0008,0005), whatever it is, and never decoded on the way. All text of our own is ASCII, which every
one of the character sets contains. Nothing is matched by name."""


def _as_user() -> str:
    rows = [(*named(services.RESULT_CLASSES[kind]), one.when) for kind, one in CREATED.items()]
    kinds = table(("SOP Class", "UID", "Sent"), rows)
    return f"""\
{kinds}

What is sent follows what the destination negotiates. A SOP Class that a destination need not have
and does not accept is left out, and that is noted as *declined*. Comprehensive 3D SR that is not
accepted is declined if the destination accepts Enhanced SR, which is then sent in its place; a
destination that accepts neither is told to a person as a failure. Results that do not stand the
node's own checks are kept and sent to nobody."""


def _as_provider() -> str:
    answers = table(("Status", "When"), [(status.describe(code), when) for code, when in ANSWERS])
    return f"""\
Level 2 (Full): objects are kept as they come, in the transfer syntax in which they came, with all
their standard and private elements; nothing is coerced, nothing is decoded.

{answers}

Success means by default that the object is synced to disk under its final name. The configuration
may weaken that to a sync before each release is answered, or to none; then a power cut, never the
end of the process, may take objects that were answered with success.

An object that was received before with the same content is answered with success and changes
nothing. One with the same SOP Instance UID and other content is answered with success, kept beside
the first, audited, and never read by a model. Objects are deleted when everything that was to be
done with them is final and the configured time is up."""


ANSWERS: tuple[tuple[int, str], ...] = (
    (status.SUCCESS, "the object is a complete file in the spool"),
    (status.OUT_OF_RESOURCES, "no room, too large, or the disk failed; nothing was kept"),
    (status.NOT_AUTHORIZED, "the configuration does not let this peer store"),
    (status.PROCESSING_FAILURE, "an internal failure; nothing was kept"),
    (status.DATA_SET_DOES_NOT_MATCH, "its SOP UIDs differ from the command's"),
    (status.CANNOT_UNDERSTAND, "it is not DICOM inside, or a UID is missing or invalid"),
)
"""What a C-STORE to us may be answered with."""
