"""Fear: a model waits for a series that is there, or runs without one that it needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from node.rules.studying import StudySeries, lacking, over_at
from node.rules.wishes import StudyWish

T1, FLAIR, T2 = (("name", name) for name in ("t1", "flair", "t2"))
NAMED = {name: {"SeriesDescription": f"*{name}*"} for name in ("t1", "flair", "t2")}
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def series(what, *, settled=True, at=NOW, **attributes):
    said = {"Modality": "MR", "SeriesDescription": what, **attributes}
    return StudySeries(f"1.2.{len(what)}", said, at, settled)


def wish(demand, **more):
    return StudyWish(NAMED, demand, **more)


@pytest.mark.parametrize(
    ("demand", "there", "lacks"),
    [
        (T1, ["T1"], ""),
        (T1, [], "t1"),
        (("and", (T1, FLAIR)), ["T1", "FLAIR"], ""),
        (("and", (T1, FLAIR)), ["T1"], "flair"),
        (("and", (T1, FLAIR)), [], "t1 and flair"),
        (("or", (FLAIR, T2)), ["T2"], ""),
        (("or", (FLAIR, T2)), ["T1"], "(flair or t2)"),
        (("and", (T1, ("or", (FLAIR, T2)))), ["T1"], "(flair or t2)"),
        (("or", (("and", (T1, FLAIR)), T2)), ["T1"], "(flair or t2)"),
    ],
)
def test_what_a_study_lacks_is_said_in_words(demand, there, lacks):
    assert lacking(wish(demand), [series(one) for one in there]) == lacks


def test_a_series_that_has_not_settled_is_not_there():
    assert lacking(wish(T1), [series("T1", settled=False)]) == "t1"


def test_a_result_of_ours_is_no_series_of_the_study():
    ours = series("T1 radnode", ManufacturerModelName="radnode", Manufacturer="radnode")
    from node.rules.admitting import made_by_us

    assert made_by_us(ours.attributes)
    assert lacking(wish(T1), [ours]) == "t1"


def test_one_series_may_stand_for_two_names():
    assert lacking(wish(("and", (T1, FLAIR))), [series("T1 FLAIR")]) == ""


def test_the_wait_is_counted_from_the_last_image_of_the_study():
    later = NOW + timedelta(seconds=50)
    study = [series("T1", at=later), replace(series("T2"), settled=False)]
    forced = wish(T1, force_after=timedelta(seconds=60), then="proceed")
    assert over_at(forced, study) == later + timedelta(seconds=60)


@pytest.mark.parametrize(
    "never", [{}, {"force_after": timedelta(seconds=1), "then": "wait"}], ids=["no time", "wait"]
)
def test_who_only_waits_waits_for_ever(never):
    assert over_at(wish(T1, **never), [series("T2")]) is None
