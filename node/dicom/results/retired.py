"""Makes SOP classes known to the library that builds results, which has left them out."""

from highdicom.base import get_sop_class_iod_map

_RETIRED = {
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound-image",
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound-multi-frame-image",
}
"""Retired ultrasound classes, of which archives are full, and the IOD that each one has."""


def introduce_retired_classes() -> None:
    """Have reports refer to images of retired classes; the library raises KeyError otherwise."""
    for kind, iod in _RETIRED.items():
        get_sop_class_iod_map().setdefault(kind, iod)
