"""Jobs that wait for other series of their study, on simulated time."""

from datetime import timedelta

import pytest

from node.rules.nouns import Job, Route
from node.rules.wishes import StudyWish
from node.stages.settle import Settle
from node.stages.turning import Bell, Rooms
from tests.stages.ward import Ward

T1, FLAIR = "1.2.1", "1.2.2"
NAMED = {"t1": {"SeriesDescription": "T1"}, "flair": {"SeriesDescription": "FLAIR"}}
BOTH = ("and", (("name", "t1"), ("name", "flair")))


class StudyWard(Ward):
    """A ward whose one route runs a model on the T1 of studies that have a FLAIR, too."""

    def __init__(self, folder, url=None, **wish):
        study = StudyWish(NAMED, BOTH, **wish)
        when = {"SeriesDescription": "T1"}
        self.routes = [Route("tumour", when, "finder", ("pacs",), study=study)]
        super().__init__(folder, url)

    def restart(self):
        rooms = Rooms(self.home.ledger, self.spool, self.clock, "test")
        self.leg = Settle(rooms, self.routes, self.patience, lambda _: "hash", Bell())

    def arrives(self, uid, what, n=4):
        made = self.series(what, n, attributes={"SeriesDescription": what})
        self.open(uid)
        self.feed(made, uid, uid=uid)
        self.close(uid)
        self.wait(6)

    def states(self):
        return {k: v for k, v in self.home.ledger.status()["jobs"].items() if v}

    def claimed(self) -> Job | None:
        return self.home.ledger.claim_job("w", 30)


@pytest.fixture
def ward(tmp_path):
    made = []

    def make(**wish):
        made.append(StudyWard(tmp_path, **wish))
        return made[-1]

    yield make
    for one in made:
        one.home.close()


def test_a_job_waits_until_the_study_has_what_is_named(ward):
    here = ward()
    here.arrives(T1, "T1")
    assert here.states() == {"held": 1}
    assert here.claimed() is None
    assert [one.lacking for one in here.home.ledger.held_jobs()] == ["flair"]
    here.arrives(FLAIR, "FLAIR")
    assert here.states() == {"waiting": 1}
    job = here.claimed()
    assert (job.series_instance_uid, job.lacking) == (T1, "")


def test_the_order_of_the_series_does_not_matter(ward):
    here = ward()
    here.arrives(FLAIR, "FLAIR")
    assert here.states() == {}
    here.arrives(T1, "T1")
    assert here.states() == {"waiting": 1}


def test_a_series_of_another_study_does_not_help(ward):
    here = ward()
    here.arrives(T1, "T1")
    (held,) = here.home.ledger.held_jobs()
    known = here.home.ledger.study_series(held.study_instance_uid)
    assert [one.series_instance_uid for one in known] == [T1]
    assert here.home.ledger.study_series("9.9.9") == []


@pytest.mark.parametrize("then", ["proceed", "refuse"])
def test_after_its_time_it_goes_on_and_says_what_is_lacking(ward, then):
    here = ward(force_after=timedelta(seconds=900), then=then)
    here.arrives(T1, "T1")
    here.wait(880)
    assert here.states() == {"held": 1}
    here.wait(30)
    assert here.states() == {"waiting": 1}
    assert here.claimed().lacking == "flair"


def test_images_of_the_study_that_still_come_put_it_off(ward):
    here = ward(force_after=timedelta(seconds=100), then="proceed")
    here.arrives(T1, "T1")
    here.wait(80)
    here.arrives("1.2.9", "T2")
    here.wait(80)
    assert here.states() == {"held": 1}
    here.wait(30)
    assert here.states() == {"waiting": 1}


def test_who_waits_waits_on_and_a_person_may_end_it(ward):
    here = ward(force_after=timedelta(seconds=10), then="wait")
    here.arrives(T1, "T1")
    here.wait(1000)
    assert here.states() == {"held": 1}
    held = here.home.ledger.held_jobs()[0]
    here.home.ledger.retry(held.job_id, "a person")
    assert here.claimed().job_id == held.job_id


def test_a_restart_forgets_nothing(ward):
    here = ward(force_after=timedelta(seconds=100), then="proceed")
    here.arrives(T1, "T1")
    here.restart()
    here.wait(50)
    assert here.states() == {"held": 1}
    here.restart()
    here.arrives(FLAIR, "FLAIR")
    assert here.states() == {"waiting": 1}


def test_a_route_that_no_longer_demands_it_lets_its_jobs_go(ward):
    here = ward()
    here.arrives(T1, "T1")
    here.routes = []
    here.restart()
    here.wait(2)
    assert here.states() == {"waiting": 1}


def test_the_audit_trail_says_what_was_waited_for_and_what_came(ward):
    here = ward()
    here.arrives(T1, "T1")
    here.arrives(FLAIR, "FLAIR")
    told = {r["event"]: r["detail"] for r in here.home.ledger.timeline(T1) if "job" in r["event"]}
    assert told["job_held"]["reason"] == "waits for flair of its study"
    assert told["job_released"]["reason"] == "flair is there"
    assert "job_created" not in told


def test_bytes_stay_while_a_job_waits_for_its_study(ward):
    here = ward()
    here.arrives(T1, "T1")
    here.wait(10)
    later = here.clock.now() + timedelta(days=9)
    assert here.home.ledger.releasable("instances", later) == []
