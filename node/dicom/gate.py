"""Decides whether images are one volume that a model may read, and says in words why not.

A model that is handed a wrong volume gives a wrong answer without noticing, and so do the libraries
that read series: missing slices, two echoes, a tilted gantry, even two patients pass in silence.
So every image is held against every other one here, and in doubt the series is refused.
"""

from collections.abc import Callable, Sequence

from node.dicom import cines, enhanced, identity, scaling, services
from node.dicom.scanning import Scan
from node.dicom.splitting import NAMED, ONE_VALUE, SPLITTERS, close
from node.rules.failures import Refusal
from node.rules.nouns import InputRequirement

SINGLE_FRAME = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
}
"""SOP classes with one slice an instance, from which volumes can be built."""
PICTURES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.6": "US",
    cines.NUCLEAR: "NM",
    **cines.CINES,
}
"""SOP classes whose images are pictures with no place in the patient, unless NM says so."""
_FOR_PROCESSING = {
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "MG",
}


def not_one_series(images: Sequence[Scan], requirement: InputRequirement) -> Refusal | None:
    """Say why images are not of one series of a kind that the model reads; None when they are."""
    return _first(
        lambda: identity.not_one_patient(images),
        lambda: _not_one_series(images),
        lambda: _wrong_kind(images, requirement),
        lambda: _unwanted(images, requirement),
    )


def not_one_volume(images: Sequence[Scan]) -> Refusal | None:
    """Say why images of one series are not one volume; None when they may be.

    Geometry along the stack is looked at elsewhere (`node.dicom.geometry`).
    """
    return _first(
        lambda: _without_frame(images),
        lambda: _not_one_grid(images),
        lambda: _not_grey(images),
        lambda: _not_one_acquisition(images),
        lambda: scaling.not_one_scale(images),
    )


def _first(*checks: Callable[[], Refusal | None]) -> Refusal | None:
    return next((refusal for check in checks if (refusal := check()) is not None), None)


def is_localizer(image: Scan) -> bool:
    """Whether the image is a localizer (PS3.3 C.8.2.1.1.1), to be set aside."""
    return "LOCALIZER" in image.values("ImageType")


def is_picture(image: Scan) -> bool:
    """Whether the image is a picture of its own, such as a chest film, and no slice."""
    return image.text("SOPClassUID") in PICTURES and not _is_placed(image)


def _is_placed(image: Scan) -> bool:
    """Whether the image is a frame of a nuclear reconstruction, which is a slice."""
    is_frame = image.frame > 0 and image.text("SOPClassUID") == cines.NUCLEAR
    return is_frame and image.has("ImagePositionPatient")


def crowded(images: Sequence[Scan], places: int) -> Refusal:
    """Refuse a series with different images at the same place; name what tells them apart."""
    for keyword in SPLITTERS:
        kinds = len(_kinds(images, keyword))
        if kinds > 1:
            why = f"{keyword} has {kinds} values"
            break
    else:
        differs = scaling.what_differs(images)
        why = f"{differs} differs" if differs else "nothing in the headers tells them apart"
    return Refusal(
        f"at {places} position{'s' if places > 1 else ''} there are different images: {why}",
        advice="Have each echo, phase or reconstruction sent as a series of its own, "
        "or say in the bundle which is to be taken",
    )


def _kinds(images: Sequence[Scan], keyword: str) -> set[str]:
    written = {image.written_whole(keyword): image for image in images}
    return {image.text(keyword) for image in written.values()}


def _not_one_series(images: Sequence[Scan]) -> Refusal | None:
    for keyword, what in (
        ("StudyInstanceUID", "studies"),
        ("SeriesInstanceUID", "series"),
        ("FrameOfReferenceUID", "frames of reference"),
    ):
        count = len(_kinds(images, keyword))
        if count > 1:
            return Refusal(f"the images belong to {count} {what}", advice="Give one series")
    lying = sorted(_kinds(images, "PatientPosition") - {""})
    if len(lying) > 1:
        return Refusal(
            f"the patient lay in {len(lying)} ways ({', '.join(lying)})",
            advice="Have what was taken in each position sent as a series of its own",
        )
    return None


def _without_frame(images: Sequence[Scan]) -> Refusal | None:
    if images[0].text("FrameOfReferenceUID"):
        return None
    return Refusal(
        "the images have no FrameOfReferenceUID, so a result could not be laid over them",
        advice="Have the series sent by a system that fills it",
    )


def _wrong_kind(images: Sequence[Scan], requirement: InputRequirement) -> Refusal | None:
    kinds = _kinds(images, "SOPClassUID")
    if len(kinds) > 1:
        return Refusal(f"the images are of {len(kinds)} SOP classes", advice="Give one series")
    kind = kinds.pop()
    if any(not image.frame and image.whole("NumberOfFrames", 1) > 1 for image in images):
        return Refusal(
            f"{services.name(kind)} with many frames in one object cannot be read",
            advice="Have the scanner or the PACS send single-frame or enhanced images",
        )
    if all(map(is_picture, images)):
        return _not_wanted_as_picture(kind, requirement)
    if kind not in PICTURES and kind not in SINGLE_FRAME and kind not in enhanced.SOP_CLASSES:
        return _no_image(kind)
    return None


def _no_image(kind: str) -> Refusal:
    if kind in _FOR_PROCESSING:
        return Refusal(
            f"{services.name(kind)} is raw, not as it is shown",
            advice="Have the images for presentation sent",
        )
    return Refusal(
        f"{services.name(kind)} is no kind of image that volumes are built from",
        advice="Route only CT, MR, PET and projection images to models",
    )


def _not_wanted_as_picture(kind: str, requirement: InputRequirement) -> Refusal | None:
    if requirement.minimum_slices <= 1 or requirement.cine:
        return None
    return Refusal(
        f"{services.name(kind)} shows pictures, no slices; "
        f"the model needs at least {requirement.minimum_slices} slices",
        advice="Route only CT, MR and PET series to this model",
    )


def _unwanted(images: Sequence[Scan], requirement: InputRequirement) -> Refusal | None:
    for keyword, accepted in (
        ("Modality", requirement.modalities),
        ("BodyPartExamined", requirement.body_parts),
    ):
        wanted = {value.upper() for value in accepted}
        found = {value.upper() for value in _kinds(images, keyword)}
        if wanted and not found <= wanted:
            said = ", ".join(sorted(value or "absent" for value in found))
            want = ", ".join(sorted(value or "absent" for value in wanted))
            return Refusal(
                f"{keyword} is {said}; the model reads {want}",
                advice="Change the route's `when` so that it does not claim such series",
            )
    return None


_GRID = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
)


def _not_one_grid(images: Sequence[Scan]) -> Refusal | None:
    for keyword in _GRID:
        kinds = _kinds(images, keyword)
        if len(kinds) > 1:
            said = ", ".join(sorted(kinds))
            return Refusal(f"{keyword} differs between the slices ({said})", advice=_AS_ONE)
    written = {image.written("PixelSpacing"): image for image in images}
    spacings = [image.numbers("PixelSpacing") for image in written.values()]
    known = [spacing for spacing in spacings if spacing is not None and len(spacing) == 2]
    for axis in zip(*known, strict=True):
        if max(axis) - min(axis) > 1e-3 * axis[0]:
            return Refusal("PixelSpacing differs between the slices", advice=_AS_ONE)
    return None


_AS_ONE = "Have the series reconstructed with one matrix and field of view"


def _not_grey(images: Sequence[Scan]) -> Refusal | None:
    photometric = images[0].text("PhotometricInterpretation")
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        return None
    return Refusal(f"the images are {photometric or 'of no known colour'}, not MONOCHROME2")


def _not_one_acquisition(images: Sequence[Scan]) -> Refusal | None:
    for keyword in ONE_VALUE:
        written = {image.written_whole(keyword): image for image in images}
        kinds = len({image.text(keyword) for image in written.values()})
        if kinds == 1:
            continue
        numbers = [image.number(keyword) for image in written.values()]
        known = [number for number in numbers if number is not None]
        if not known and keyword not in NAMED:
            continue
        if known and len(known) == len(numbers) and close(keyword, known):
            continue
        return Refusal(
            f"the series holds several acquisitions: {keyword} has {kinds} values",
            advice="Have each echo, phase or b-value sent as a series of its own, "
            "or say in the bundle which is to be taken",
        )
    return None
