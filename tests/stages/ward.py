"""A settle leg on simulated time, and senders that feed it images in every way there is."""

import shutil

from node.rules.nouns import Caller, Route
from node.rules.settling import Patience
from node.spool import Spool
from node.stages.settle import Settle
from node.stages.turning import Bell, Rooms
from tests.fakes.clock import FakeClock
from tests.fakes.scanner import Scanner
from tests.ledger.making import Home, an_instance

ROUTE = Route("all", {}, "finder", ("pacs",))
TICK = 0.1


class Ward:
    """A ledger, a spool and a settle leg on a clock of their own, and senders that feed them."""

    def __init__(self, folder, url=None, patience=None):
        self.folder = folder
        self.clock = FakeClock()
        self.home = Home(url, folder, self.clock)
        self.spool = Spool(folder / "spool")
        self.patience = patience or Patience(unknown=5.0)
        self.images = {}
        self.restart()

    def restart(self):
        """As after kill -9: what a process had in mind is gone, what is written is not."""
        rooms = Rooms(self.home.ledger, self.spool, self.clock, "test")
        self.leg = Settle(rooms, [ROUTE], self.patience, lambda _: "hash", Bell())

    def series(self, name="a", n=20, **knobs):
        """Have a scanner make a series; give its images."""
        scanner = Scanner(rows=4, columns=4, **knobs)
        attributes = knobs.get("attributes", {})
        made = []
        for number, path in enumerate(scanner.save(self.folder / name, n)):
            made.append((f"{name}{number}", path, attributes))
        self.images[name] = made
        return made

    def open(self, association, sender="SCANNER"):
        caller = Caller(sender, "RADNODE", "192.0.2.7")
        self.home.ledger.association_opened(association, sender.lower(), caller)
        self.sender = {**getattr(self, "sender", {}), association: sender}

    def image(self, image, association, uid="1.2.3"):
        name, path, attributes = image
        number = int.from_bytes(name.encode(), "big")
        spool_name = f"instances/ab/{number:032x}.dcm"
        if not self.spool.path(spool_name).exists():
            shutil.copy(path, self.spool.path(spool_name))
        known = {
            key: float(value) if isinstance(value, int) else value
            for key, value in attributes.items()
        }
        one = an_instance(
            self.home,
            number,
            sop_instance_uid=f"{uid}.{number}",
            series_instance_uid=uid,
            spool_name=spool_name,
            association=association,
            calling_ae=self.sender[association],
            attributes={"Modality": "CT", **known},
        )
        self.home.ledger.instances_received([one])

    def feed(self, images, association, every=0.03, uid="1.2.3"):
        for image in images:
            self.image(image, association, uid)
            self.wait(every)

    def close(self, association, how="released"):
        self.home.ledger.association_closed(association, how, 0)

    def wait(self, seconds):
        """Let time pass in ticks; the leg looks at each."""
        while seconds > 1e-9:
            step = min(TICK, seconds)
            self.clock.advance(step)
            seconds -= step
            self.leg.step()

    def jobs(self, uid="1.2.3"):
        """How many images each job of a series reads, in the order of their making."""
        rows = self.home.ledger.audit_rows(0, 1_000_000)
        editions = [
            row["detail"]["edition"]
            for row in rows
            if row["event"] == "job_created" and row["series_uid"] == uid
        ]
        return [len(self.home.ledger.instances_of(uid, edition)) for edition in editions]

    def reasons(self):
        rows = self.home.ledger.audit_rows(0, 1_000_000)
        return [r["detail"]["reason"] for r in rows if r["event"] == "series_settled"]
