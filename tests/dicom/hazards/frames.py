"""Objects that hold many images: enhanced CT, MR and PET, whole, split, mixed and damaged."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from node.rules.naming import derived_uid
from tests.dicom.hazards.encodings import stored
from tests.dicom.hazards.places import OBLIQUE
from tests.fakes.compressing import LOSSLESS_SV1
from tests.fakes.enhanced import compress_frames, enhance, item
from tests.fakes.scanner import CORONAL, SAGITTAL, Scanner, save

N = 20
Maker = Callable[[Path], list[Path]]
_EVERYTHING = ("PlaneOrientationSequence", "PixelMeasuresSequence")


def _one(modality: str = "CT", *, knobs: dict[str, object] | None = None, **how: object) -> Maker:
    """One object; `knobs` are the scanner's, `how` says how its slices are put into it."""

    def make(out: Path) -> list[Path]:
        slices = Scanner(modality, **(knobs or {})).series(N)  # type: ignore[arg-type]
        return save([enhance(_shuffled(slices), **how)], out)  # type: ignore[arg-type]

    return make


def _shuffled(slices: Sequence[Dataset]) -> list[Dataset]:
    return [slices[place] for place in np.random.default_rng(5).permutation(len(slices))]


def _changed(change: Callable[[Dataset], None], modality: str = "CT", **how: object) -> Maker:
    def make(out: Path) -> list[Path]:
        made = enhance(_shuffled(Scanner(modality).series(N)), **how)  # type: ignore[arg-type]
        change(made)
        return save([made], out)

    return make


def _several(*scans: dict[str, object], modality: str = "MR") -> Maker:
    """Several scans in one object, the first one brightest."""

    def make(out: Path) -> list[Path]:
        slices = []
        for number, knobs in enumerate(scans):
            ours = Scanner(modality, **knobs).series(N)  # type: ignore[arg-type]
            for ds, values in zip(ours, stored(ours), strict=True):
                ds.PixelData = (values - 10 * number).astype("<u2").tobytes()
                slices.append(ds)
        return save([enhance(_shuffled(slices))], out)

    return make


def _with(**attributes: object) -> dict[str, object]:
    return {"attributes": attributes}


def _directions(out: Path) -> list[Path]:
    """Diffusion: no direction, then three."""
    slices, said = [], {}
    for number in range(4):
        for ds in Scanner(attributes={"DiffusionBValue": 1000.0 if number else 0.0}).series(N):
            gradient = [float(axis == number - 1) for axis in range(3)]
            said[len(slices)] = {
                "MRDiffusionSequence": item(
                    DiffusionBValue=1000.0 if number else 0.0,
                    DiffusionDirectionality="DIRECTIONAL" if number else "NONE",
                    DiffusionGradientDirectionSequence=item(DiffusionGradientOrientation=gradient)
                    if number
                    else None,
                )
            }
            slices.append(ds)
    return save([enhance(slices, per_frame=said)], out)


def _only_dimensions(out: Path) -> list[Path]:
    """Twelve images at each place that nothing but a dimension of the maker's own tells apart."""
    slices, said = [], {}
    for number in range(12):
        ours = Scanner().series(N)
        for place, (ds, values) in enumerate(zip(ours, stored(ours), strict=True)):
            ds.PixelData = (values - number).astype("<u2").tobytes()
            said[len(slices)] = {
                "FrameContentSequence": item(
                    StackID="1",
                    InStackPositionNumber=place + 1,
                    DimensionIndexValues=[1, place + 1, number + 1],
                )
            }
            slices.append(ds)
    return save([enhance(slices, per_frame=said)], out)


def _two_objects(out: Path) -> list[Path]:
    """Half of the slices in one object, half in another."""
    slices = _shuffled(Scanner("MR").series(N))
    return save([enhance(slices[:8]), enhance(slices[8:])], out)


def _concatenation(*parts: slice, total: int = 3) -> Maker:
    def make(out: Path) -> list[Path]:
        slices = Scanner("CT").series(N)
        whole = derived_uid("concatenation")
        return save(
            [
                enhance(
                    slices[part],
                    ConcatenationUID=whole,
                    InConcatenationNumber=number,
                    InConcatenationTotalNumber=total,
                    ConcatenationFrameOffsetNumber=part.start,
                )
                for number, part in enumerate(parts, 1)
            ],
            out,
        )

    return make


def _localizer(out: Path) -> list[Path]:
    slices = Scanner("CT").series(N)
    scout = Scanner("CT", orientation=CORONAL).series(1)
    scout[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    return save([enhance([*scout, *slices])], out)


def _big_endian(ds: Dataset) -> None:
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian


def _undefined_lengths(ds: Dataset) -> None:
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for one in element.value:
                one.is_undefined_length_sequence_item = True
                _undefined_lengths(one)


def _in_fragments(*, table: bool) -> Callable[[Dataset], None]:
    """Three fragments a frame, with or without a table that says where frames begin."""

    def change(ds: Dataset) -> None:
        compress_frames(ds, JPEG2000Lossless, fragments_per_frame=3)
        if not table:
            fragments = [bytes(one) for one in generate_fragments(ds.PixelData)][1:]
            ds.PixelData = encapsulate(fragments, has_bot=False)

    return change


def _without(keyword: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group[keyword]

    return change


def _syntax(uid: str) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", uid)


def _fewer_groups(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[-1]


def _fewer_frames_coded(ds: Dataset) -> None:
    fragments = [bytes(one) for one in generate_fragments(ds.PixelData)][1:]
    ds.PixelData = encapsulate(fragments[:-2], has_bot=False)


def _private_echo(ds: Dataset) -> None:
    """What a maker keeps in sequences of its own must not be taken for the frame's."""
    for group in ds.PerFrameFunctionalGroupsSequence:
        block = group.private_block(0x2005, "PHANTOM", create=True)
        block.add_new(0x0F, "SQ", item(EchoTime="99", ImagePositionPatient=["0", "0", "0"]))


MAKERS: dict[str, Maker] = {
    "enhanced_ct": _one(),
    "enhanced_mr": _one("MR"),
    "enhanced_pt": _one("PT", knobs={"slope": 1.25, "intercept": 0}),
    "enhanced_sagittal": _one("MR", knobs={"orientation": SAGITTAL}),
    "enhanced_oblique": _one("MR", knobs={"orientation": OBLIQUE}),
    "enhanced_shared_groups": _one("MR", shared=_EVERYTHING),
    "legacy_ct": _one(legacy=True),
    "legacy_mr": _one("MR", legacy=True),
    "legacy_pt": _one("PT", legacy=True),
    "enhanced_implicit": _changed(_syntax(ImplicitVRLittleEndian)),
    "enhanced_big_endian": _changed(_big_endian),
    "enhanced_deflated": _changed(_syntax(DeflatedExplicitVRLittleEndian)),
    "enhanced_undefined_lengths": _changed(_undefined_lengths),
    "enhanced_rle": _one(transfer_syntax=RLELossless),
    "enhanced_jpeg_lossless": _one(transfer_syntax=LOSSLESS_SV1),
    "enhanced_jpeg_ls": _one(transfer_syntax=JPEGLSLossless),
    "enhanced_jpeg_2000": _one(transfer_syntax=JPEG2000Lossless),
    "enhanced_fragments_with_table": _changed(_in_fragments(table=True)),
    "enhanced_fragments_without_table": _changed(_in_fragments(table=False)),
    "enhanced_scale_of_each_frame": _one(
        "MR",
        knobs={"slope": 2.0, "intercept": -3.0},
        per_frame={i: {"RescaleSlope": "0.5", "RescaleIntercept": "1"} for i in range(0, N, 2)},
    ),
    "enhanced_tilted": _one(knobs={"tilt": 15.0}),
    "enhanced_tilted_allowed": _one(knobs={"tilt": 15.0}),
    "enhanced_missing": _one(knobs={"missing": (8,)}),
    "enhanced_missing_filled": _one(knobs={"missing": (8,)}),
    "enhanced_localizer": _localizer,
    "enhanced_private_echo": _changed(_private_echo, "MR"),
    "enhanced_two_objects": _two_objects,
    "enhanced_concatenation": _concatenation(slice(0, 7), slice(7, 14), slice(14, 20)),
    "enhanced_concatenation_cut": _concatenation(slice(0, 7), slice(7, 14)),
    "enhanced_two_echoes": _several(_with(EchoTime="10"), _with(EchoTime="80")),
    "enhanced_two_echoes_last": _several(_with(EchoTime="10"), _with(EchoTime="80")),
    "enhanced_b_values_first": _several(*(_with(DiffusionBValue=b) for b in (0.0, 500.0, 1000.0))),
    "enhanced_directions": _directions,
    "enhanced_directions_last": _directions,
    "enhanced_many_times_last": _several(
        *(_with(TemporalPositionIdentifier=100 + i) for i in range(3))
    ),
    "enhanced_two_stacks_first": _several(
        {**_with(StackID="1")}, {"orientation": SAGITTAL, **_with(StackID="2")}
    ),
    "enhanced_two_stacks_of_one_direction": _several(
        _with(StackID="A"), {"slice_spacing": 3.5, **_with(StackID="B")}
    ),
    "enhanced_two_stacks_of_one_direction_last": _several(
        _with(StackID="A"), {"slice_spacing": 3.5, **_with(StackID="B")}
    ),
    "enhanced_only_dimensions": _only_dimensions,
    "enhanced_only_dimensions_last": _only_dimensions,
    "enhanced_in_colours": _one(
        "MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4.3", PhotometricInterpretation="RGB"
    ),
    "enhanced_without_groups": _changed(lambda ds: delattr(ds, "PerFrameFunctionalGroupsSequence")),
    "enhanced_without_positions": _changed(_without("PlanePositionSequence")),
    "enhanced_fewer_groups": _changed(_fewer_groups),
    "enhanced_fewer_pixels": _changed(lambda ds: setattr(ds, "PixelData", ds.PixelData[:-100])),
    "enhanced_fewer_frames_coded": _changed(_fewer_frames_coded, transfer_syntax=RLELossless),
    "enhanced_frames_that_nobody_has": _changed(
        lambda ds: setattr(ds, "NumberOfFrames", 2**31 - 1)
    ),
    "enhanced_frames_that_nobody_has_rle": _changed(
        lambda ds: setattr(ds, "NumberOfFrames", 2**31 - 1), transfer_syntax=RLELossless
    ),
    "enhanced_another_patient": lambda out: save(
        [
            enhance(Scanner("CT").series(N)[:8]),
            enhance(Scanner("CT", patient_id="OTHER-2").series(N)[8:]),
        ],
        out,
    ),
}
