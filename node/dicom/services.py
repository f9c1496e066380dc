"""Which kinds of object and which encodings the node takes, keeps and offers, with their names."""

from pydicom._uid_dict import UID_dictionary

_ROOT = "1.2.840.10008.5.1.4.1.1."
_ALSO = ("1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10")
"""RT Beams and RT Brachy Application Delivery Instruction: images' kin with another root."""
_WITHOUT_STUDY = frozenset(_ROOT + end for end in ("200.1", "200.3", "200.7", "201.1"))
"""Defined protocols, their approval, inventories: of no patient's study, not ours to keep."""
_NAMED_HERE = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
}
"""SOP classes younger than pydicom's list."""

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

TRANSFER_SYNTAXES: tuple[str, ...] = (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    DEFLATED_LITTLE_ENDIAN,
    BIG_ENDIAN,
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless, RPCL
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.100",  # MPEG-2 main profile, main level
    "1.2.840.10008.1.2.4.101",  # MPEG-2 main profile, high level
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 high profile 4.1
    "1.2.840.10008.1.2.4.103",  # MPEG-4 AVC/H.264 BD-compatible
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 high profile 4.2, 2D
    "1.2.840.10008.1.2.4.105",  # MPEG-4 AVC/H.264 high profile 4.2, 3D
    "1.2.840.10008.1.2.4.106",  # MPEG-4 AVC/H.264 stereo
    "1.2.840.10008.1.2.4.107",  # HEVC main profile 5.1
    "1.2.840.10008.1.2.4.108",  # HEVC main 10 profile 5.1
)
"""What we accept, best first: the acceptor's order decides, so uncompressed, lossless, lossy.

Video and anything else compressed is kept as it was sent; nothing is decoded on arrival.
"""

RESULT_CLASSES: dict[str, str] = {
    "SEG": SEGMENTATION,
    "LABELMAP": _ROOT + "66.7",
    "SR": COMPREHENSIVE_3D_SR,
    "ENHANCED_SR": _ROOT + "88.22",
    "CAPTURE": _ROOT + "7",
    "KEY_OBJECTS": _ROOT + "88.59",
    "PRESENTATION_STATE": _ROOT + "11.1",
    "PDF": _ROOT + "104.1",
    "RTSTRUCT": _ROOT + "481.3",
    "NOT_RUN": _ROOT + "88.11",
    "NOT_RUN_CAPTURE": _ROOT + "7",
}
"""The SOP class of each kind of result that is sent (see rules.nouns.Result)."""

PROPOSED_SYNTAXES: tuple[str, ...] = (EXPLICIT_LITTLE_ENDIAN,)
"""In what our own results are offered: as they lie in the spool."""


def _is_ours(uid: str) -> bool:
    name, kind, domain, _, _ = UID_dictionary[uid]
    return (
        kind == "SOP Class"
        and (uid.startswith(_ROOT) or uid in _ALSO)
        and uid not in _WITHOUT_STUDY
        and not domain  # "DICOS", "DICONDE": baggage and turbine blades
        and "Storage" in name
        and "Trial" not in name
    )


STORAGE_CLASSES: tuple[str, ...] = tuple(
    sorted({uid for uid in UID_dictionary if _is_ours(uid)} | _NAMED_HERE.keys())
)
"""Every storage SOP class of a patient's study that we know, retired ones included."""


def name(uid: str) -> str:
    """Give the Standard's name of a SOP class or transfer syntax; the UID itself when unknown."""
    if uid in _NAMED_HERE:
        return _NAMED_HERE[uid]
    known = UID_dictionary.get(uid)
    return known[0] if known else uid
