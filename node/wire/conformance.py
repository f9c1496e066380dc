"""The DICOM conformance statement, printed from what the code negotiates (PS3.2)."""

from node import __version__
from node.dicom import services, status
from node.wire.storing import COMMENT_LENGTH

_RESULTS = (
    ("Segmentation Storage", "1.2.840.10008.5.1.4.1.1.66.4"),
    ("Comprehensive 3D SR Storage", "1.2.840.10008.5.1.4.1.1.88.34"),
)


def statement() -> str:
    """Write the statement as Markdown."""
    accepted = "\n".join(f"| {services.name(uid)} | {uid} |" for uid in services.STORAGE_CLASSES)
    syntaxes = "\n".join(f"| {services.name(uid)} | {uid} |" for uid in services.TRANSFER_SYNTAXES)
    made = "\n".join(f"| {name} | {uid} |" for name, uid in _RESULTS)
    answers = "\n".join(
        f"| {status.describe(code)} | {when} |"
        for code, when in (
            (status.SUCCESS, "the object is a complete file in the spool (see Durability)"),
            (status.OUT_OF_RESOURCES, "no room, too large, or the disk failed; nothing was kept"),
            (status.NOT_AUTHORIZED, "the configuration does not let this peer store"),
            (status.PROCESSING_FAILURE, "an internal failure; nothing was kept"),
            (status.DATA_SET_DOES_NOT_MATCH, "its SOP UIDs differ from the command's"),
            (status.CANNOT_UNDERSTAND, "it is not DICOM inside, or a UID is missing or invalid"),
        )
    )
    return _TEXT.format(
        version=__version__,
        accepted=accepted,
        syntaxes=syntaxes,
        made=made,
        answers=answers,
        comment=COMMENT_LENGTH,
    )


_TEXT = """\
# radnode {version}: DICOM conformance statement

radnode receives composite objects (C-STORE SCP), answers C-ECHO, sends the Segmentations and
Structured Reports that its models make (C-STORE SCU), and asks for storage commitment of them
(Storage Commitment Push Model SCU) where the configuration says that a destination offers it.

## Who may call
An association is accepted when the called AE title is the node's own and the calling AE title and
address are those of a peer in the configuration. Everybody else is rejected permanently (calling
or called AE title not recognised; no reason given when it is the certificate or the user identity);
when the disk is nearly full (temporary congestion) or too many associations are open, of all or of
this peer (local limit exceeded), the rejection is transient. One operation at a time is
negotiated. Maximum PDU, number of associations and time-outs are configurable.

## Security
On a port of its own the node speaks TLS 1.2 and 1.3 as BCP 195 wants it (PS3.15 B.12), and callers
must show a certificate of a configured authority; a peer may be bound to one certificate subject.
Destinations may be called over TLS. User identity (PS3.7 D.3.3.7): user name, and user name with
passcode, are checked where the configuration has them for a peer, with a positive response if
asked; Kerberos, SAML and JSON web tokens are rejected.

## Durability
By default success means that the file is synced to disk, renamed into place, and its folder synced.
The configuration may weaken that to a sync before each release is answered, or to none; then a
power cut, never the end of the process, may take objects that were answered with success.

## Storage as SCP
Objects are kept as they come, in the transfer syntax in which they came; nothing is coerced.

| Status | when |
|---|---|
{answers}

A failure carries an Error Comment (0000,0902) of at most {comment} characters. An object that was
received before with the same content is answered with success and changes nothing; one with the
same SOP Instance UID and other content is answered with success, kept beside the first, audited,
and never read by a model.

| SOP class | UID |
|---|---|
| Verification | 1.2.840.10008.1.1 |
{accepted}

Transfer syntaxes, in the order of preference:

| Transfer syntax | UID |
|---|---|
{syntaxes}

## Results, as SCU (Explicit VR Little Endian)
New series in the study of the images, with patient and study modules as they came, the same frame
of reference, and UIDs (2.25.) derived from the evidence and the model's bundle.

| SOP class | UID |
|---|---|
{made}
| Storage Commitment Push Model | 1.2.840.10008.1.20.1 |

Success and the warnings B000, B006 and B007 count as stored. Failures that may pass are tried
again; the others are kept as failed until a person retries them.
"""
