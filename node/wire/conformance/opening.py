"""Cover page, contents, introduction and implementation model (PS3.2 N.0, N.2, N.3, N.4)."""

from node import __version__
from node.wire.conformance.tables import table


def cover() -> str:
    """Write the cover page."""
    return f"""\
# radnode {__version__}: DICOM Conformance Statement

Product: radnode, version {__version__}. This statement was printed by the program that it
describes (`radnode conformance`), from the values with which that program negotiates. It follows
the organisation of the template in PS3.2 Annex N; sections keep the template's numbers."""


def contents() -> str:
    """Write the table of contents."""
    return """\
## 2 Table of Contents
- 1 Overview
- 2 Table of Contents
- 3 Introduction
- 4 Implementation Model
- 5 Service and Interoperability Description
- 6 Configuration
- 7 Network and Media Communication Details
- 8 Security
- Annex A Information Object Definitions
- Annex B Structured Report Content Encoding
- Annex C Security Details
- Annex D Mapping of Attributes
- Annex E Code Set Usage"""


def introduction() -> str:
    """Write section 3."""
    terms = (
        ("AE", "Application Entity"),
        ("DIMSE", "DICOM Message Service Element"),
        ("IOD", "Information Object Definition"),
        ("SCU, SCP", "Service Class User, Service Class Provider"),
        ("SOP", "Service-Object Pair"),
        ("SR, SEG", "Structured Report, Segmentation"),
        ("TID", "Template Identifier (PS3.16)"),
        ("UID", "Unique Identifier"),
    )
    return f"""\
## 3 Introduction

### 3.1 Revision History
The statement has the version of the program, {__version__}; CHANGELOG.md says what changed.

### 3.2 Audience
Those who connect radnode to a PACS, a modality or another archive, and know DICOM's terms.

### 3.3 Remarks
Two conformance statements that fit are a condition for two systems to work together, not a proof
that they do: test the connection. radnode is no medical device by itself; what may be done with a
model's results is said by the model's intended use, which every result bears (Content Qualification
(0018,9004), RESEARCH or PRODUCT).

### 3.4 Terms and Definitions
*Bundle*: a model with everything that it needs, known by its sha256. *Edition*: a series as it was
when it was taken for complete; an image that comes later makes another edition. *Route*: a rule of
the configuration that says which series go to which model, and where its results go.

### 3.5 Abbreviations
{table(("Abbreviation", "Meaning"), terms)}

### 3.6 References
NEMA PS3 / ISO 12052, Digital Imaging and Communications in Medicine (DICOM) Standard."""


def implementation_model() -> str:
    """Write section 4."""
    return """\
## 4 Implementation Model

### 4.1 Application Entities and Data Flow
There is one Application Entity, RADNODE (its title is configurable). It receives images; takes a
series for complete when the evidence says so; has a model look at it; makes results in new series
of the same study; sends these to the destinations of the route; and asks destinations that offer
it for storage commitment.

    modality, PACS  --C-STORE-->  RADNODE  --C-STORE (results)-->  PACS, archives
                                     |  ^
                           N-ACTION  v  |  N-EVENT-REPORT
                                    PACS, archives

#### 4.1.1 Functional Definition of RADNODE
- It listens all the time on one port, on a second one for TLS, or on that alone.
- Results that come back are recognised by their UIDs, and no model looks at them.
- A destination that cannot be reached is tried again, without holding up the others.
- When a model came to no result the study is told so, if the route says so."""
