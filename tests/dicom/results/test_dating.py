"""The time of a result is that of its images: no clock, no zone of a machine, no second try."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pydicom
import pytest
from pydicom.dataset import Dataset

from node.dicom import results
from node.dicom.results.dating import Moment, moment_of
from node.dicom.results.not_run import NotRun, write_notice
from node.dicom.volume import Volume
from node.rules.failures import Refusal
from node.rules.nouns import Notice, Output

SETTLED = datetime(2026, 3, 4, 23, 30, 15, 123456, tzinfo=UTC)
STUDY = {"StudyDate": "20200101", "StudyTime": "080000"}
SERIES = {"SeriesDate": "20200102", "SeriesTime": "0900"}
ACQUIRED = {"AcquisitionDate": "20200103", "AcquisitionTime": "101112.5"}
MADE = {"ContentDate": "20200103", "ContentTime": "1011"}


def header(*parts, **more):
    made = Dataset()
    for keyword, value in [pair for part in (*parts, more) for pair in part.items()]:
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([header(STUDY, SERIES, ACQUIRED, MADE)], Moment("20200103", "101112.5")),
        ([header(MADE), header(MADE, ContentTime="101113")], Moment("20200103", "101113")),
        ([header(STUDY, SERIES), header(STUDY)], Moment("20200102", "0900")),
        ([header(STUDY)], Moment("20200101", "080000")),
        ([header(StudyDate="20200101")], Moment("20200101", "000000")),
        ([header(STUDY, SERIES, SeriesDate="2020-01-2")], Moment("20200101", "080000")),
        ([header(STUDY, SERIES, SeriesTime="9 o'clock")], Moment("20200101", "080000")),
        ([header(STUDY, StudyDate="20200230")], Moment("20260304", "233015.123456", "+0000")),
        ([header(StudyDate="2020.01.01", StudyTime="08:00:00")], Moment("20200101", "080000")),
        ([header()], Moment("20260304", "233015.123456", "+0000")),
        ([header(STUDY, TimezoneOffsetFromUTC="+0800")], Moment("20200101", "080000", "+0800")),
        ([header(STUDY, TimezoneOffsetFromUTC="here")], Moment("20200101", "080000")),
        (
            [header(TimezoneOffsetFromUTC="-0330")],
            Moment("20260304", "200015.123456", "-0330"),
        ),
        ([header(AcquisitionDateTime="20200103101112")], Moment("20200103", "101112")),
        ([header(AcquisitionDateTime="20200103")], Moment("20200103", "000000")),
        (  # as the images write it, for nobody knows their zone
            [header(AcquisitionDateTime="20200103101112.25+0100")],
            Moment("20200103", "101112.25"),
        ),
        (
            [header(AcquisitionDateTime="20200103231112.25+0100", TimezoneOffsetFromUTC="+0300")],
            Moment("20200104", "011112.25", "+0300"),
        ),
        ([header(AcquisitionTime="20200103101112.5")], Moment("20200103", "101112.5")),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_the_latest_time_of_the_images_counts_then_that_of_series_and_study(images, expected):
    assert moment_of(images, SETTLED) == expected


@pytest.fixture
def anywhere(monkeypatch):
    """Move the machine to another zone."""

    def move(zone):
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def everything(read, found, run_of, model, segments, job_of):
    """Make every kind of result of a finding, for a series that settled so much later."""
    model.segments = (replace(segments[0], is_finding=True, axes=True), segments[1])

    def make(later, **knobs):
        volume = read(n=10, rows=32, columns=32, slice_spacing=8.0, **knobs)
        assert isinstance(volume, Volume), volume
        job = job_of(volume)
        job = replace(job, settled_at=job.settled_at + later)
        outcome = results.make(run_of(volume, found(volume), job=job), frozenset(Output))
        assert isinstance(outcome, results.ResultSet), outcome
        return outcome.objects

    return make


def test_when_it_settled_and_where_the_machine_stands_changes_no_byte(everything, anywhere):
    anywhere("Asia/Shanghai")
    first = everything(timedelta(0))
    anywhere("America/New_York")
    again = everything(timedelta(days=3, seconds=5))
    assert {one.kind for one in first} == {
        *("SEG", "LABELMAP", "SR", "ENHANCED_SR", "CAPTURE", "KEY_OBJECTS"),
        *("PRESENTATION_STATE", "PDF", "RTSTRUCT", "PREVIEW"),
    }
    assert [(one.kind, one.sha256) for one in first] == [(one.kind, one.sha256) for one in again]


def test_every_kind_bears_the_time_of_the_latest_image(everything):
    latest = {7: {"AcquisitionDate": "20260102", "AcquisitionTime": "101733.25"}}
    for one in everything(timedelta(0), per_slice=latest):
        if one.kind == "PREVIEW":
            continue
        ds = pydicom.dcmread(one.path)
        assert (ds.SeriesDate, ds.SeriesTime) == ("20260102", "101733.25"), one.kind
        ours = ds.ContributingEquipmentSequence[-1]
        assert ours.ContributionDateTime == "20260102101733.25"


def test_images_without_any_time_take_that_of_settling_in_no_zone_of_the_machine(
    everything, anywhere
):
    anywhere("Asia/Shanghai")
    words = ("Study", "Series", "Acquisition", "Content")
    none = {f"{word}{part}": "" for word in words for part in ("Date", "Time")}
    for one in everything(timedelta(0), attributes=none):
        if one.kind in ("SEG", "SR"):
            ds = pydicom.dcmread(one.path)
            assert (ds.ContentDate, ds.ContentTime) == ("20260304", "233015.123456")


def test_a_notice_is_of_its_image_as_well(read, job_of, identity, tmp_path):
    volume = read(4)
    job = job_of(volume)
    digests = []
    for later in (0, 60):
        moved = replace(job, settled_at=job.settled_at + timedelta(seconds=later))
        told = NotRun(volume.paths[0], identity, moved, Refusal("no room"), tmp_path)
        digests.append([one.sha256 for one in write_notice(told, frozenset(Notice))])
    assert digests[0] == digests[1]
