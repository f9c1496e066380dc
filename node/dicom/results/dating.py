"""When a result is of: the moment that its images give, so that the same images give the same.

A clock would give another moment on every try, and the same UIDs other bytes. When a result was
made stands in the ledger.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from node.dicom.reading import text_of

_IMAGE = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("", "AcquisitionDateTime"),
)
_LEVELS = (_IMAGE, (("SeriesDate", "SeriesTime"),), (("StudyDate", "StudyTime"),))
"""Where a moment is looked for, the first place that has one anywhere in the images."""
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?")
_DATE_TIME = re.compile(r"(\d{8})(\d{2}(?:\d{2}){0,2}(?:\.\d{1,6})?)?([+-]\d{4})?")
Written = tuple[str, str]
"""A date and a time as they are written (PS3.5 6.2, DA and TM)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and a time as images write them, and their offset from UTC, "" where none is said."""

    date: str
    time: str
    offset: str = ""

    @property
    def date_time(self) -> str:
        """The moment in one value (DT)."""
        return f"{self.date}{self.time}{self.offset}"


def moment_of(images: Iterable[Dataset], settled_at: datetime) -> Moment:
    """Give the latest moment at which any of the images was acquired or its content made.

    Where no image says either, it is that of the series, then that of the study. It is in the zone
    of the images, whatever the machine's is.

    Args:
        images: the headers of the images that a result is made of.
        settled_at: what to take where images carry no time at all; in UTC, where they name no zone.
    """
    images = list(images)
    offset = text_of(images[0], "TimezoneOffsetFromUTC") if images else ""
    zone = _zone(offset)
    for pairs in _LEVELS:
        written = {_raw(one, *pair) for one in images for pair in pairs}
        found = [moment for one in written for moment in _moments(one, zone)]
        if found:
            latest = max(found, key=_order)
            return Moment(*latest, offset if zone else "")
    local = settled_at.astimezone(zone or UTC)
    return Moment(
        local.strftime("%Y%m%d"), local.strftime("%H%M%S.%f"), offset if zone else "+0000"
    )


def stamp(made: Dataset, moment: Moment) -> None:
    """Date a result: when it, its content and its series are of."""
    for what in ("InstanceCreation", "Content", "Series"):
        setattr(made, f"{what}Date", moment.date)
        setattr(made, f"{what}Time", moment.time)


def _raw(image: Dataset, day: str, time: str) -> Written:
    """Give a date and a time as they lie in the file: nothing is decoded for it."""
    return _value(image, day) if day else "", _value(image, time)


def _value(image: Dataset, keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in image:
        return ""
    value = image.get_item(tag).value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")


def _moments(written: Written, zone: tzinfo | None) -> Iterator[Written]:
    """Give what is a date and a time indeed; a date without a time is its beginning."""
    day, time = (part.replace(sign, "") for part, sign in zip(written, ".:", strict=True))
    both = _DATE_TIME.fullmatch(time)
    if both:  # a frame's or an image's date and time in one
        day, time, offset = both.groups(default="")
        if zone and offset and time and _is_date(day) and _TIME.fullmatch(time):
            day, time = _moved(day, time, offset, zone)
    if _is_date(day) and (not time or _TIME.fullmatch(time)):
        yield day, time or "000000"


def _moved(day: str, time: str, offset: str, zone: tzinfo) -> Written:
    """Give a moment with an offset of its own in the zone of the images."""
    whole, _, fraction = time.partition(".")
    seconds = min(59, int(whole[4:6] or 0))
    read = datetime.strptime(f"{day}{whole[:4]:0<4}", "%Y%m%d%H%M").replace(tzinfo=_zone(offset))
    local = (read + timedelta(seconds=seconds)).astimezone(zone)
    return local.strftime("%Y%m%d"), local.strftime("%H%M%S") + (f".{fraction}" if fraction else "")


def _order(written: Written) -> tuple[str, str]:
    day, time = written
    return day, f"{time:0<6}" if len(time) < 6 else time


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[12]\d{7}", text, re.ASCII):  # no other years are images of
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _zone(offset: str) -> tzinfo | None:
    """Read an offset from UTC (PS3.3 C.12.1.1.8), None where it is none."""
    if not re.fullmatch(r"[+-]\d{4}", offset, re.ASCII):
        return None
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    if ahead > timedelta(hours=14):
        return None
    return timezone(-ahead if offset[0] == "-" else ahead)
