"""The DICOM conformance statement, printed from what the code negotiates (PS3.2 Annex N).

The numbers of the sections are those of the template; what the node does not do is said in one
line, so that nobody has to wonder. Every table is made from the values that the node runs on.
"""

from node.wire.conformance import (
    communication,
    configuration,
    interoperability,
    objects,
    opening,
    overview,
    protection,
)

__all__ = ["statement"]


def statement() -> str:
    """Write the statement as Markdown."""
    sections = (
        opening.cover(),
        overview.section(),
        opening.contents(),
        opening.introduction(),
        opening.implementation_model(),
        interoperability.section(),
        configuration.section(),
        communication.section(),
        protection.section(),
        objects.annexes(),
    )
    return "\n\n".join(section.strip() for section in sections) + "\n"
