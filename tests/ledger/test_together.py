"""Several facts in one transaction: all of them or none."""

import pytest

from node.rules.events import Event
from tests.ledger.making import CALLER, an_instance


def test_facts_written_together_stand_in_the_order_in_which_they_were_told(home):
    with home.ledger.together():
        home.ledger.association_opened("a1", "ct1", CALLER)
        assert home.ledger.instances_received([an_instance(home, 1, association="a1")]) == [
            Event.INSTANCE_RECEIVED
        ]
        home.ledger.association_closed("a1", "released", 1)
    events = [row["event"] for row in home.ledger.audit_rows(0, 10)]
    assert events == ["association_opened", "instance_received", "association_closed"]
    assert home.ledger.verify().ok


def test_if_one_of_them_fails_none_is_written(home):
    with pytest.raises(ValueError, match="an association ends"), home.ledger.together():
        home.ledger.association_opened("a1", "ct1", CALLER)
        home.ledger.association_closed("a1", "vanished", 0)
    assert home.ledger.audit_rows(0, 10) == []
    home.ledger.association_opened("a1", "ct1", CALLER)
    assert len(home.ledger.audit_rows(0, 10)) == 1
