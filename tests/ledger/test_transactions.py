"""Fear: two at once, or a kill halfway, leave the ledger saying half of the truth."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, insert, select

from node.clock import SystemClock
from node.ledger.schema import audit, instance, series
from node.rules.events import Event
from tests.ledger.making import SERIES, a_waiting_job, an_instance, evidence


def test_an_exception_inside_a_verb_leaves_nothing(home):
    with pytest.raises(RuntimeError), home.ledger._writing() as page:
        page.note(Event.NODE_STARTED, "node")
        page.connection.execute(
            insert(series),
            {
                "series_instance_uid": SERIES,
                "study_instance_uid": "1.2",
                "state": "open",
                "edition": 1,
                "instances": 1,
                "first_received": page.now,
                "last_received": page.now,
                "attributes": {},
            },
        )
        raise RuntimeError("the power went")
    assert home.ledger.open_series() == []
    assert home.ledger.audit_rows(0, 10) == []
    home.ledger.instances_received([an_instance(home)])
    assert evidence(home).instances == 1


def test_a_batch_that_cannot_be_written_whole_is_not_written_at_all(home):
    good = an_instance(home, 1)
    same_file = an_instance(home, 2, spool_name=good.spool_name)
    with pytest.raises(Exception, match=r"(?i)unique"):
        home.ledger.instances_received([good, same_file])
    assert home.ledger.open_series() == []
    assert home.ledger.verify().rows == 0


def test_workers_that_claim_at_once_get_different_jobs(home):
    jobs = {a_waiting_job(home, number).job_id for number in range(1, 9)}
    ledgers = [home.open() for _ in range(4)]  # as four processes would: nothing shared

    def work(number):
        taken = []
        while (job := ledgers[number].claim_job(f"w{number}", 30)) is not None:
            taken.append(job.job_id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [name for names in pool.map(work, range(4)) for name in names]
    assert len(taken) == 8
    assert set(taken) == jobs
    assert home.ledger.verify().ok


def test_writers_at_once_make_one_chain_without_gaps(home):
    ledgers = [home.open() for _ in range(3)]

    def write(number):
        for step in range(10):
            if step % 2:
                ledgers[number].node_started([str(number)], "0.1.0")
            else:
                batch = [an_instance(home, 1000 * number + step, association=f"a{number}")]
                ledgers[number].instances_received(batch)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    verdict = home.ledger.verify()
    assert (verdict.ok, verdict.rows) == (True, 30)
    assert evidence(home).instances == 15


def test_one_ledger_serves_many_threads(home):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: home.ledger.node_started([str(n)], "0.1.0"), range(30)))
        list(pool.map(lambda _: home.ledger.status(), range(30)))
    assert home.ledger.verify().rows == 30


def test_readers_do_not_wait_for_a_writer(home):
    home.ledger.node_started(["receive"], "0.1.0")
    inside, done = threading.Event(), threading.Event()

    def write():
        with home.ledger._writing() as page:
            page.note(Event.NODE_STOPPED, "node")
            inside.set()
            done.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(20)
    assert len(home.ledger.audit_rows(0, 10)) == 1, "what is not committed is not seen"
    assert writer.is_alive()
    done.set()
    writer.join()
    assert len(home.ledger.audit_rows(0, 10)) == 2


WRITE = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.ledger.making import Home, an_instance, settle
from node.clock import SystemClock
home = Home(sys.argv[1] or None, Path(sys.argv[2]), SystemClock())
for number in itertools.count():
    batch = [an_instance(home, 100 * number + n, association="a") for n in range(20)]
    home.ledger.instances_received(batch)
    settle(home)
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_writer_leaves_whole_transactions(home, after, request):
    home.clock = SystemClock()
    root = str(request.config.rootpath)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, home.url or "", str(home.data_dir), root],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    assert all(said)
    assert home.ledger.verify().ok
    with home.ledger._reading() as connection:
        rows = connection.scalar(select(func.count()).select_from(instance))
        told = select(func.count()).where(audit.c.event == Event.INSTANCE_RECEIVED)
        assert rows == connection.scalar(told.select_from(audit))
        assert rows == connection.scalar(select(series.c.instances))
    assert rows >= 20 * after, "what was said to be written is there"
    assert rows % 20 == 0, "a batch is there whole or not at all"
    home.ledger.instances_received([an_instance(home, 10**6)])
    assert home.ledger.verify().ok
