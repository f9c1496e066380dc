"""What the objects that are made hold, and the codes in them (PS3.2 N, annexes A to E)."""

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.tag import Tag

from node.dicom import services
from node.rules.admitting import MANUFACTURER_MODEL
from node.wire.conformance.attributes import ATTRIBUTES
from node.wire.conformance.created import CREATED, Created
from node.wire.conformance.tables import table

_SHARED = (
    ("Patient, Clinical Trial Subject", "taken over from the images, byte for byte", "ALWAYS"),
    ("General Study, Patient Study, Clinical Trial Study", "taken over likewise", "ALWAYS"),
    (
        "Request Attributes Sequence, Body Part Examined, Laterality",
        "taken over",
        "if in the images",
    ),
    ("Series Instance UID (0020,000E)", "of its own for each kind of result of a run", "ALWAYS"),
    ("Series Number (0020,0011)", "9000 and above, so that results sort last", "ALWAYS"),
    ("Series Description (0008,103E)", "the model's name and version, and RESEARCH", "ALWAYS"),
    ("Frame of Reference UID (0020,0052)", "that of the images", "if the IOD has it"),
    ("Manufacturer's Model Name (0008,1090)", MANUFACTURER_MODEL, "ALWAYS"),
    ("Software Versions (0018,1020)", "of radnode and of the model", "ALWAYS"),
    (
        "Contributing Equipment Sequence (0018,A001)",
        "radnode's version; the model's name, version and sha256",
        "ALWAYS",
    ),
    (
        "Content Qualification (0018,9004)",
        "RESEARCH, unless the model's bundle says PRODUCT",
        "ALWAYS",
    ),
    (
        "Instance Creation, Series and Content Date and Time",
        "the latest acquisition or content date and time in the images, else those of their "
        "series, else of their study, as written there; when the series was complete, if none is",
        "ALWAYS",
    ),
    ("SOP Instance UID (0008,0018)", "under 2.25, derived from images and bundle", "ALWAYS"),
    ("Private elements", "none", ""),
)
_MAPPING = (
    ("Patient and study attributes", "the first image of the series, unchanged"),
    ("Accession Number (0008,0050) and its issuer", "the same image"),
    (
        "Referenced Request Sequence (0040,A370) of reports",
        "Request Attributes Sequence (0040,0275)",
    ),
    ("Derivation Image Sequence, Referenced Series Sequence", "the images that the model read"),
)
_CODES = (
    ("SCT", "SNOMED CT: what is segmented, found and measured; how it was derived"),
    ("DCM", "DICOM: document titles, containers, observers, algorithm"),
    ("UCUM", "units"),
    ("IBSI", "maximum 3D diameter"),
    ("LN", "LOINC: title of the report that a model did not run and of the PDF; procedures"),
    ("RFC5646", "the language of reports, English"),
    ("as in the bundle", "categories, types and findings are coded as the model's bundle says"),
)


def annexes() -> str:
    """Write the annexes."""
    definitions = "\n\n".join(
        _definition(number, kind, one) for number, (kind, one) in enumerate(CREATED.items(), 2)
    )
    templates = [
        (services.name(services.RESULT_CLASSES[kind]), one.template, one.content)
        for kind, one in CREATED.items()
        if one.template
    ]
    return f"""\
## Annex A Information Object Definitions

### A.1 Information Shared Across Multiple IODs
{table(("Attributes", "Value", "Presence"), _SHARED)}

In the tables that follow, an attribute is ALWAYS there with a value; VNAP is one whose value is not
always present, ANAP one that is not always present itself, EMPTY one that never has a value. It
comes from the IMAGE, or is made by radnode (AUTO), always the same where its value is given. Items
of sequences are shown to the second level, without those that are taken over from images, and
without content items (Annex B).

{definitions}

## Annex B Structured Report Content Encoding
{table(("SOP Class", "Templates", "Content"), templates)}

Completion Flag is COMPLETE, Verification Flag UNVERIFIED; the observer is a device. Segments and
measurements of the same thing bear the same Tracking Unique Identifier.

## Annex C Security Details
See 8.

## Annex D Mapping of Attributes
{table(("In the result", "From"), _MAPPING)}

## Annex E Code Set Usage
{table(("Coding Scheme", "For"), _CODES)}"""


def _definition(number: int, kind: str, one: Created) -> str:
    uid = services.RESULT_CLASSES[kind]
    return f"""\
### A.{number} {services.name(uid)}: {kind}
{uid}, PS3.3 {one.iod}, Modality {one.modality}. Sent {one.when}. It holds {one.content}.

{table(_HEADS, map(_attribute, ATTRIBUTES[kind].split()))}"""


_HEADS = ("Attribute", "Tag", "VR", "Presence", "Source", "Value")
_PRESENCE = {"A": "ALWAYS", "V": "VNAP", "N": "ANAP", "E": "EMPTY"}
_SOURCE = {"I": "IMAGE", "G": "AUTO"}


def _attribute(token: str) -> tuple[str, ...]:
    """Write a row out: ">>CodingSchemeDesignator/AG=DCM" is nested twice, always there, fixed."""
    name, _, said = token.partition("/")
    how, _, value = said.partition("=")
    keyword = name.lstrip(">")
    tag = Tag(tag_for_keyword(keyword) or 0)
    shown = f"{'>' * name.count('>')}{dictionary_description(tag)}"
    number = f"({tag.group:04X},{tag.element:04X})"
    return shown, number, dictionary_VR(tag), _PRESENCE[how[0]], _SOURCE[how[1]], value
