"""What the objects that are made hold, and the codes in them (PS3.2 N, annexes A to E)."""

from node.dicom import services
from node.rules.admitting import MANUFACTURER_MODEL
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
    ("99RADNODE", "the title of the report that a model did not run"),
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
{uid}, PS3.3 {one.iod}, Modality {one.modality}. Sent {one.when}. It holds {one.content}."""
