"""What is to be said of each kind of object that the node makes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Created:
    """One kind of result: its IOD in PS3.3, its SR template, when it is sent, what it holds."""

    iod: str
    when: str
    content: str
    template: str = ""
    modality: str = ""


CREATED: Mapping[str, Created] = {
    "SEG": Created(
        "A.51 Segmentation",
        "always, of a model that segments and found anything",
        "Segmentation Type BINARY on the rows, columns and planes of the images, empty frames left "
        "out; each segment coded (category, type, laterality), with a tracking UID and a "
        "recommended display colour; every frame refers to its source image",
        modality="SEG",
    ),
    "LABELMAP": Created(
        "A.51 Segmentation (label map)",
        "if the route asks for it, to destinations that accept the SOP class",
        "Segmentation Type LABELMAP with the segment numbers and tracking UIDs of the binary one; "
        "the background is the Pixel Padding Value and is no segment",
        modality="SEG",
    ),
    "SR": Created(
        "A.35.13 Comprehensive 3D SR",
        "always",
        "measurements of each segment: volume, and as the model's bundle says mean, standard "
        "deviation, minimum, maximum and median of the intensities, maximum 3D diameter, long and "
        "short axis; for a model that classifies each finding as present or absent, with its "
        "probability",
        "TID 1500 Measurement Report with TID 1410, 1411, 1501 and 4019",
        "SR",
    ),
    "ENHANCED_SR": Created(
        "A.35.2 Enhanced SR",
        "to destinations that do not take Comprehensive 3D SR",
        "the same as the Comprehensive 3D SR",
        "TID 1500 Measurement Report",
        "SR",
    ),
    "CAPTURE": Created(
        "A.8 Secondary Capture Image",
        "if the route asks for previews (it does by default)",
        "RGB pictures of what was found over the images, and the measurements as a table; Burned "
        "In Annotation is YES; no name or identifier of the patient is in the pixels",
        modality="OT",
    ),
    "KEY_OBJECTS": Created(
        "A.35.4 Key Object Selection Document",
        "if the route asks for it (it does by default), when there is a finding, to destinations "
        "that accept the SOP class",
        'title (113000, DCM, "Of Interest"); refers to the images that show the findings best '
        "(of a classification the picture, or the first image) and the segmentation",
        "TID 2010 Key Object Selection",
        "KO",
    ),
    "PRESENTATION_STATE": Created(
        "A.33.1 Grayscale Softcopy Presentation State",
        "if the route asks for it (it does by default), when a segment is a finding or has axes, "
        "to destinations that accept the SOP class",
        "outlines and axes as graphic annotations in pixels of the images, with text",
        modality="PR",
    ),
    "PDF": Created(
        "A.45.1 Encapsulated PDF",
        "if the route asks for it, to destinations that accept the SOP class",
        "the report on a page",
        modality="DOC",
    ),
    "RTSTRUCT": Created(
        "A.19 RT Structure Set",
        "if the route asks for it, to destinations that accept the SOP class",
        "closed planar contours of each segment on the images' planes",
        modality="RTSTRUCT",
    ),
    "NOT_RUN": Created(
        "A.35.1 Basic Text SR",
        "if the route asks for it (it does by default), when a model came to no result",
        "which model did not run, on which series, why, and what a person can do",
        "TID 2000 Basic Diagnostic Imaging Report",
        "SR",
    ),
    "NOT_RUN_CAPTURE": Created(
        "A.8 Secondary Capture Image",
        "if the route asks for it, when a model came to no result",
        "the same words as a picture; Burned In Annotation is YES",
        modality="OT",
    ),
}
"""By kind, as in node.rules.nouns.Result and node.dicom.services.RESULT_CLASSES."""
