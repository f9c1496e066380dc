"""A scanner and the legs that settle, prepare and infer, in one process and on one clock."""

import shutil
from dataclasses import replace

import pydicom

from node.rules.naming import derived_uid
from node.rules.nouns import Caller, Route
from node.rules.settling import Patience
from node.rules.speculating import Eagerness
from node.spool import Spool
from node.stages.desk import Desk
from node.stages.infer import Infer, Limits
from node.stages.prepare import Prepare
from node.stages.settle import Settle
from node.stages.turning import Bell, Rooms
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner
from tests.ledger.making import Home, an_instance

IMAGES = 40
UID = derived_uid("series", "one", "MR")
ROUTE = Route("all", {"Modality": "MR"}, "bright", ("pacs",))


def name_of(number, uid=UID):
    return f"instances/ab/{number + 100 * len(uid):032x}.dcm"


class Department:
    """A scanner, and the legs that settle, prepare and infer, on a clock of their own."""

    def __init__(self, folder, models, eagerness=None, model="bright"):
        route = replace(ROUTE, model=model)
        self.folder, self.clock = folder, FakeClock()
        self.home = Home(None, folder, self.clock)
        self.spool = Spool(folder / "spool")
        shelf, runner = models
        rooms = Rooms(self.home.ledger, self.spool, self.clock, "test")
        self.desk = Desk()
        limits = Limits(routes={route.name: route})
        host = (shelf, runner, limits.timeout_of)
        self.prepare = Prepare(rooms, self.desk, host, [route], eagerness or Eagerness())
        self.infer = Infer(rooms, shelf, runner, limits, Bell(), self.desk)
        self.settle = Settle(rooms, [route], Patience(unknown=5.0), shelf.recorded_hash, Bell())
        self.images = Scanner(rows=24, columns=20).save(folder / "scan", IMAGES)
        self.home.ledger.association_opened("a", "mr1", Caller("MR1", "RADNODE", "192.0.2.7"))

    def send(self, numbers, uid=UID, modality="MR"):
        made = []
        for number in numbers:
            name = name_of(number, uid)
            shutil.copy(self.images[number], self.spool.path(name))
            read = pydicom.dcmread(self.images[number], stop_before_pixels=True)
            made.append(
                an_instance(
                    self.home,
                    number,
                    sop_instance_uid=read.SOPInstanceUID,
                    series_instance_uid=uid,
                    study_instance_uid=read.StudyInstanceUID,
                    spool_name=name,
                    association="a",
                    attributes={"Modality": modality},
                )
            )
        self.home.ledger.instances_received(made)
        return self.prepare.step()

    def release(self, quiet=1.0):
        self.home.ledger.association_closed("a", "released", 0)
        self.clock.advance(quiet)

    def finish(self):
        """Let the series settle and its job run; give what the ledger says of how it went."""
        self.clock.advance(10)
        self.settle.step()
        self.clock.advance(10)
        self.settle.step()
        self.infer.step()
        rows = self.home.ledger.audit_rows(0, 100_000)
        return [row["detail"] for row in rows if row["event"] == "job_finished"][-1]

    def results(self):
        """Digests of all results of the series' jobs, by kind."""
        rows = self.home.ledger.audit_rows(0, 100_000)
        jobs = [row["job_id"] for row in rows if row["event"] == "job_finished"]
        return {one.kind: one.sha256 for job in jobs for one in self.home.ledger.results_of(job)}
