"""The things this program talks about, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from node.rules.wishes import RouteInputs, StudyWish

Attribute = str | float | tuple[str, ...] | tuple[float, ...] | None
"""A header value as the rules see it: text, number, several of either, or absent."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8.8): value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody the node talks to, known by AE title and address, and by more if the peer has it.

    `ae_title` "*" means any title from that host. `may` holds "store" and "query".
    A peer with a port can be sent to, over TLS if `tls`; `commitment` says that it offers storage
    commitment. `maximum_associations` is how many it may have open at once (None: only the node's
    own limit holds). With a `certificate` it is only known by a TLS certificate with that subject
    (see `rules.recognising`), with a `user` only by that user name, and its passcode if there is
    one (PS3.7 D.3.3.7).
    """

    name: str
    ae_title: str
    host: str
    port: int | None = None
    may: frozenset[str] = frozenset()
    commitment: bool = False
    maximum_associations: int | None = None
    tls: bool = False
    certificate: str | None = None
    user: str | None = None
    passcode: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a caller says that it acts for (PS3.7 D.3.3.7.1).

    `kind` is the user identity type: 1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML,
    5 JSON web token. What types 3 to 5 bring is not kept.
    """

    kind: int
    name: str = ""
    passcode: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as the association request says: titles and the socket's address.

    `subject` is that of its TLS certificate (RFC 4514), `alternative_names` what else that
    certificate calls it ("dns:ct1.hospital.example", "ip:10.0.0.7"); without TLS both are empty.
    """

    calling_ae: str
    called_ae: str
    address: str
    subject: str = ""
    alternative_names: tuple[str, ...] = ()
    identity: Identity | None = None


class Output(StrEnum):
    """What a route may ask for; SEG and SR are made always, since all else speaks of them."""

    SEG = "seg"
    LABELMAP = "labelmap"
    SR = "sr"
    PREVIEW = "preview"
    KEY_OBJECTS = "key_objects"
    PRESENTATION_STATE = "presentation_state"
    PDF = "pdf"
    RTSTRUCT = "rtstruct"


STANDARD_OUTPUTS = frozenset(
    (Output.SEG, Output.SR, Output.PREVIEW, Output.KEY_OBJECTS, Output.PRESENTATION_STATE)
)
"""What a route makes that says nothing of it."""


class Notice(StrEnum):
    """How a study is told that a model did not run: a report, or a picture for any viewer."""

    REPORT = "report"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Route:
    """Which series go to which model, and where its results go.

    `results` says what is made of a run, `if_not_run` what is sent when the model did not run.
    `stat` is for emergencies: its series go before others. With a `study`, jobs are held back until
    the study has what it names. `fall_back_to_cpu` says whether a model that does not fit on the
    accelerator is run on the processor; None leaves it to the model.
    """

    name: str
    when: Mapping[str, object]
    model: str
    send_to: tuple[str, ...]
    results: frozenset[Output] = STANDARD_OUTPUTS
    if_not_run: frozenset[Notice] = frozenset((Notice.REPORT,))
    stat: bool = False
    study: StudyWish | None = None
    inputs: RouteInputs = field(default_factory=RouteInputs)
    fall_back_to_cpu: bool | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One image that we have promised to keep.

    `spool_name` is the name of its file in the spool (made by us), `sha256` the digest of the
    data set as it came over the wire (without file meta information), `attributes` what routing
    may look at (no patient in it), `association` the id of the association that brought it
    (None when the start-up sweep found it).
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    size: int
    spool_name: str
    received_at: datetime
    calling_ae: str
    association: str | None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeriesEvidence:
    """What is known of a series that has not settled: the input of `rules.settling`.

    `first_received`, `last_received`, `last_closed` are UTC; `open_associations` counts those
    that brought any of its instances and are still open; `aborted` says that the last one to
    close was aborted or lost. `habit` is that of its slowest sender, `signals` what others have
    told us of it.
    """

    series_instance_uid: str
    study_instance_uid: str
    edition: int
    instances: int
    first_received: datetime
    last_received: datetime
    open_associations: int
    last_closed: datetime | None
    aborted: bool
    attributes: Mapping[str, Attribute]
    habit: "Habit | None" = None
    signals: tuple["Signal", ...] = ()


@dataclass(frozen=True, slots=True)
class Habit:
    """What was learnt of a sender: how many series it sent, and its longest pause inside one (s).

    Old pauses fade: each series that goes faster makes the longest one a little shorter. `splits`
    of the series came in parts: an association was released, and a later one brought the rest.
    """

    series: int
    pause: float
    splits: int = 0


class Source(StrEnum):
    """Who tells us of a series how many images it has."""

    MPPS = "MPPS"
    AVAILABILITY = "an availability notification"
    COMMITMENT = "a commitment request"


SO_FAR = frozenset((Source.COMMITMENT,))
"""Who may speak of a part only: some modalities ask for commitment association by association."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What somebody else says of a series: who ("MPPS", "the PACS archive"), and how many images.

    One that is not `firm` counts what it has at the moment, and may itself wait for more.
    """

    source: str
    images: int
    firm: bool = True


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one image of a series has its place, as its header says.

    `number` is its Instance Number, `acquisition` its Acquisition Number, `along` where its centre
    lies along the normal of its plane (mm). Images of one stack have the same `stack`; its first
    part is the orientation. An image of many `frames` that was sent in parts (PS3.3 C.7.6.16.1) is
    known by its `concatenation`, and `parts` is how many there are (None: it does not say).
    """

    sop_instance_uid: str
    number: int | None = None
    acquisition: str = ""
    stack: tuple[str, ...] = ()
    along: float | None = None
    frames: int = 1
    concatenation: str = ""
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Whether one route wants a series, and the reason in plain words."""

    route: str
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Job:
    """One model run over one edition of one series.

    `evidence` is the digest of the instances it reads (`rules.naming.evidence_digest`),
    `settled_at` the moment that its results bear if the images carry no time of their own, so that
    a retry makes the same bytes. `bundle_hash` is the one the shelf held when the job was made. One
    that is `stat` goes before those in the queue that have not waited for long. `lacking` names
    what its study lacked when it was no longer waited for, `released_by` who let its result go out
    that was held since the model was not sure enough.
    """

    job_id: str
    series_instance_uid: str
    study_instance_uid: str
    edition: int
    evidence: str
    route: str
    model: str
    bundle_hash: str
    send_to: tuple[str, ...]
    settled_at: datetime
    attempts: int = 0
    stat: bool = False
    lacking: str = ""
    released_by: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One object that the node made and keeps in the spool.

    `kind` is SEG, LABELMAP, SR, ENHANCED_SR, CAPTURE, KEY_OBJECTS, PRESENTATION_STATE, PDF,
    RTSTRUCT, NOT_RUN, NOT_RUN_CAPTURE or PREVIEW (a PNG, never sent). `predecessor` is the SOP
    Instance UID of the same kind of result of the edition before, if there was one.

    A destination that does not accept the SOP class of an `optional` result does without it. One
    with `instead_of` is only for destinations that do not accept that SOP class. One that is
    `withheld` did not stand our own checks, and is for nobody.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    kind: str
    spool_name: str
    sha256: str
    size: int
    predecessor: str | None = None
    optional: bool = False
    instead_of: str | None = None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One result on its way to one destination, where it has been wanted since `queued_at`."""

    delivery_id: str
    job_id: str
    destination: str
    result: Result
    attempts: int = 0
    queued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made a result: written into every object.

    `bundle_hash` is the sha256 over the whole bundle, `intended_use` "research" or "clinical".
    """

    name: str
    version: str
    bundle_hash: str
    intended_use: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One label of a segmentation model, coded (PS3.3 C.8.20.4); `rgb` 0..255.

    `measurements` are volume, mean, sd, minimum, maximum, median, diameter. With `axes`, long and
    short axis are drawn on its largest slice. `is_finding` says that its presence is worth a look
    (a lesion, not an organ). `expected_ml` are the least and most millilitres that are plausible
    where the images show what they should; None where nothing can be expected.
    """

    label: int
    name: str
    category: Code
    type: Code
    rgb: tuple[int, int, int]
    laterality: Code | None = None
    measurements: tuple[str, ...] = ("volume",)
    axes: bool = False
    is_finding: bool = False
    expected_ml: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """One finding of a classification model: present when its probability reaches `threshold`."""

    index: int
    name: str
    finding: Code
    threshold: float = 0.5


class Choose(StrEnum):
    """Which volume of a series with several echoes, phases, b-values or directions a model reads.

    FIRST and LAST go by what sets them apart, in ascending order; ONLY refuses such a series.
    """

    ONLY = "only"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class InputRequirement:
    """What a bundle says it can read; `dicom.volume` and `rules.matching` hold series against it.

    `modalities` and `body_parts` are what (0008,0060) and (0018,0015) may be; "" among the body
    parts means that an absent one is accepted; no body parts at all means any. `spacing_mm` is the
    accepted range of voxel spacing, smallest and largest, of any axis. `minimum_slices` counts.

    `choose` says which of several volumes in one series is read (see Choose). With `tilted`, a
    stack that leans is read, with an affine that leans as well (`engines.upright`). Up to
    `missing_slices` are filled with what lies between their neighbours. `planes` (axial, coronal,
    sagittal; none: any) and `extent_mm` (shortest and longest along LR, AP, HF) say which volumes
    it is for. With `cine`, it reads the frames of a cine as slices, and not single pictures;
    `minimum_slices` then counts frames. With `variable_spacing`, sections that are spaced
    differently are resampled to one spacing.
    """

    modalities: tuple[str, ...]
    body_parts: tuple[str, ...] = ()
    spacing_mm: tuple[float, float] = (0.1, 10.0)
    minimum_slices: int = 2
    choose: Choose = Choose.ONLY
    tilted: bool = False
    missing_slices: int = 0
    planes: tuple[str, ...] = ()
    extent_mm: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cine: bool = False
    variable_spacing: bool = False
