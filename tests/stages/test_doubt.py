"""What a model is not sure of is marked, held until a person releases it, or not sent; and told."""

import pydicom
import pytest

from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.stages.once import run_once
from tests.bundles.classifiers import halves
from tests.dicom.hazards.pictures import film, save
from tests.fakes.clock import FakeClock
from tests.stages.department import IMAGES, Department


@pytest.fixture
def unsure(tmp_path):
    """A department with a model that is never sure enough."""
    runner = Runner(threads=1)

    def make(above):
        bound = {"uncertainty": {"most": -1.0, "above": above}}
        shelf = Shelf(tmp_path / "bundles")
        shelf.add(halves(tmp_path / "halves", bound, dimensions=3, modality="MR"), by="a test")
        here = Department(tmp_path / "node", (shelf, runner), model="halves")
        here.send(range(IMAGES))
        here.release()
        for _ in range(2):
            here.clock.advance(10)
            here.settle.step()
        return here

    yield make
    runner.close()


def rows(here, event):
    found = here.home.ledger.audit_rows(0, 100_000)
    return [{**row["detail"], "job_id": row["job_id"]} for row in found if row["event"] == event]


def owed(here):
    return [one["kind"] for one in rows(here, "delivery_queued")]


def report(here):
    (job,) = {row["job_id"] for row in rows(here, "job_finished")}
    (sr,) = [one for one in here.home.ledger.results_of(job) if one.kind == "SR"]
    items = pydicom.dcmread(here.spool.path(sr.spool_name)).iterall()
    return [str(item.value) for item in items if item.keyword == "TextValue"]


def test_a_mark_stands_in_the_report(unsure):
    here = unsure("mark")
    here.infer.step()
    assert "SR" in owed(here)
    assert [text for text in report(here) if text.startswith("mark: the model's uncertainty is")]
    (finished,) = rows(here, "job_finished")
    assert finished["findings"]["scores"]["uncertainty"] >= 0
    assert "above -1" in finished["findings"]["marks"][0]


def test_what_is_held_is_told_to_the_study_and_sent_when_a_person_releases_it(unsure):
    here = unsure("hold")
    here.infer.step()
    assert owed(here) == ["NOT_RUN"]
    (refused,) = rows(here, "job_refused")
    assert refused["reason"].startswith("held for a person to look at")
    assert f"radnode release {refused['job_id']}" in refused["advice"]
    assert here.home.ledger.retry(refused["job_id"], "somebody"), "asked again it is held again"
    here.infer.step()
    assert owed(here) == ["NOT_RUN"]
    (released,) = here.home.ledger.release(refused["job_id"], "Dr. Reader")
    assert released == f"job {refused['job_id']}"
    here.infer.step()
    assert "SR" in owed(here)
    said = report(here)
    assert "mark: released by a person" in said
    assert "Dr. Reader" not in "".join(said), "who it was is the ledger's to know"
    assert [row for row in rows(here, "job_retried") if row.get("by") == "Dr. Reader"]


def test_what_is_withheld_is_never_released(unsure):
    here = unsure("withhold")
    here.infer.step()
    assert owed(here) == ["NOT_RUN"]
    (refused,) = rows(here, "job_refused")
    assert refused["reason"].startswith("the model is not sure enough")
    assert here.home.ledger.release(refused["job_id"], "Dr. Reader") == []


def test_a_chest_film_is_classified_and_its_doubt_stands_in_what_is_made(tmp_path):
    scan = save([film("DX")], tmp_path / "film")[0].parent
    bound = {"uncertainty": {"most": -1.0, "above": "mark"}, "flips": [[0]]}
    bundle = Shelf(tmp_path / "bundles").add(halves(tmp_path / "halves", bound), by="a test")
    runner = Runner(threads=1)
    try:
        written = run_once(scan, bundle, tmp_path / "out", runner, FakeClock())
    finally:
        runner.close()
    assert set(written.facts["scores"]) == {"uncertainty", "disagreement", "out_of_distribution"}
    assert "the model's uncertainty" in written.facts["marks"][0]
    made = {path.stem for path in written.paths}
    assert {"sr", "enhanced_sr", "preview"} <= made
    assert "seg" not in made


def test_several_films_in_a_series_are_not_taken_for_one(tmp_path):
    shelf, runner = Shelf(tmp_path / "bundles"), Runner(threads=1)
    try:
        shelf.add(halves(tmp_path / "halves", modality="MR"), by="a test")
        here = Department(tmp_path / "node", (shelf, runner), model="halves")
        here.send(range(IMAGES))
        here.release()
        for _ in range(2):
            here.clock.advance(10)
            here.settle.step()
        here.infer.step()
    finally:
        runner.close()
    (refused,) = rows(here, "job_refused")
    assert "the model reads one picture; the series has 40 slices" in refused["reason"]
    assert owed(here) == ["NOT_RUN"]
