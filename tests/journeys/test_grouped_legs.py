"""The legs in processes of their own, as systemd runs them, meeting only in a PostgreSQL ledger."""

import copy

from tests.fakes.pacs import Pacs
from tests.fakes.process import NodeProcess


def test_three_processes_on_postgresql_carry_a_series_and_each_may_be_killed(
    tmp_path, thin_head, postgresql
):
    url = postgresql.database(template="template1")
    with Pacs(ae_title="PACS") as pacs:
        first = NodeProcess(
            tmp_path / "node",
            {"pacs": pacs.port},
            database={"url": url},
            models={"attempts": 5},
        )
        legs_of = (("receive", "settle", "confirm", "sweep"), ("infer",), ("deliver",))
        groups = [
            (copy.copy(first) if number else first, legs) for number, legs in enumerate(legs_of)
        ]
        assert "radnode db upgrade" in first.cli("status", code=1)
        first.cli("db", "upgrade")
        try:
            for node, legs in groups:
                node.start(legs=legs)
            first.send(thin_head)
            first.wait_for("job_claimed")
            groups[1][0].kill()  # the reader dies in the middle; the listener does not care
            assert {s.status for s in first.send(thin_head[:2])} == {0}
            groups[1][0].start(legs=("infer",))
            rows = first.wait_for("delivery_accepted", 2)
        finally:
            for node, _ in groups:
                node.kill()
        events = [row["event"] for row in rows]
        assert events.count("job_finished") == 1
        assert len(set(pacs.received)) == len(pacs.received) == 2
        assert "unbroken" in first.cli("audit", "verify")


def test_commitment_is_asked_for_and_noted(tmp_path, thin_head):
    with Pacs(ae_title="PACS", commits="at once") as pacs:
        node = NodeProcess(tmp_path / "node", {"pacs": pacs.port})
        text = node.config.read_text().replace(
            f"  port: {pacs.port}\n", f"  port: {pacs.port}\n  commitment: true\n"
        )
        node.config.write_text(text)
        with node:
            node.send(thin_head)
            node.wait_for("delivery_committed", 2)
        # one question for both, or one each where the report was accepted later than the mask
        assert 1 <= len(pacs.asked) == len(set(pacs.asked)) <= 2


def test_what_a_peer_will_not_vouch_for_is_sent_again(tmp_path, thin_head):
    with Pacs(ae_title="PACS", commits="refuses") as pacs:
        node = NodeProcess(tmp_path / "node", {"pacs": pacs.port})
        text = node.config.read_text().replace(
            f"  port: {pacs.port}\n", f"  port: {pacs.port}\n  commitment: true\n"
        )
        node.config.write_text(text)
        with node:
            node.send(thin_head)
            node.wait_for("commitment_refused", 2)
            assert node.status()["deliveries"]["queued"] == 2
