"""Three small state machines, as data: series, job, delivery.

Theory of operation. Every change of state is caused by exactly one event, and the ledger writes
the new state and the event's audit row in one transaction. A row in a state that is not final is
somebody's to move: an *open* series and a *held* job the settle leg's, a *waiting* job the infer
leg's, a *running* job its lease's holder's (and anybody's once the lease has lapsed), a *queued*
delivery the deliver leg's, a *sending* one its lease's holder's. So after a crash nothing needs to
be remembered: the start-up sweep and the lapsing of leases put every row back to where a leg will
find it.
"""

from node.rules.events import Event

SERIES = {
    "open": "instances may still come",
    "settled": "the evidence said complete; jobs were made or the reasons why not were kept",
}
JOB = {
    "held": "its study lacks series that the route names; released when they settle, or by time",
    "waiting": "to be claimed by the infer leg, not before its time",
    "running": "claimed under a lease by a worker that sends heartbeats",
    "done": "results are in the spool and deliveries are queued",
    "refused": "the series cannot be used by the model; the reason is kept",
    "failed": "tried as often as allowed; a person may retry it",
    "superseded": "more images came before anything of it was owed; the next edition has its job",
}
DELIVERY = {
    "queued": "to be sent, not before its time",
    "sending": "claimed under a lease by the deliver leg",
    "accepted": "the destination answered success",
    "committed": "the destination vouched for it (storage commitment)",
    "declined": "the destination does not take this kind of object, and need not",
    "failed": "the destination refuses for good, or the time is up; a person may retry it",
}

TRANSITIONS: dict[str, dict[tuple[str, Event], str]] = {
    "series": {
        ("", Event.INSTANCE_RECEIVED): "open",
        ("open", Event.INSTANCE_RECEIVED): "open",
        ("open", Event.SERIES_SETTLED): "settled",
        ("settled", Event.SERIES_REOPENED): "open",
    },
    "job": {
        ("", Event.JOB_CREATED): "waiting",
        ("", Event.JOB_HELD): "held",
        ("held", Event.JOB_RELEASED): "waiting",
        ("held", Event.JOB_RETRIED): "waiting",
        ("held", Event.JOB_SUPERSEDED): "superseded",
        ("waiting", Event.JOB_CLAIMED): "running",
        ("waiting", Event.JOB_SUPERSEDED): "superseded",
        ("running", Event.JOB_LAPSED): "waiting",
        ("running", Event.JOB_RETRIED): "waiting",
        ("running", Event.JOB_REFUSED): "refused",
        ("running", Event.JOB_FAILED): "failed",
        ("running", Event.JOB_FINISHED): "done",
        ("running", Event.JOB_SUPERSEDED): "superseded",
        ("refused", Event.JOB_RETRIED): "waiting",
        ("failed", Event.JOB_RETRIED): "waiting",
    },
    "delivery": {
        ("", Event.DELIVERY_QUEUED): "queued",
        ("queued", Event.DELIVERY_STARTED): "sending",
        ("sending", Event.DELIVERY_RETRIED): "queued",
        ("sending", Event.DELIVERY_ACCEPTED): "accepted",
        ("sending", Event.DELIVERY_DECLINED): "declined",
        ("sending", Event.DELIVERY_FAILED): "failed",
        ("failed", Event.DELIVERY_RETRIED): "queued",
        ("accepted", Event.COMMITMENT_REQUESTED): "accepted",
        ("accepted", Event.DELIVERY_COMMITTED): "committed",
        ("accepted", Event.COMMITMENT_REFUSED): "queued",
    },
}


class ForbiddenTransitionError(Exception):
    """An event came to a row whose state does not allow it: a bug of ours, or a second worker."""


def after(machine: str, state: str, event: Event) -> str:
    """Give the state that follows; `machine` is series, job or delivery, `state` "" for a new row.

    Raises:
        ForbiddenTransitionError: the table has no such arrow.
    """
    try:
        return TRANSITIONS[machine][state, event]
    except KeyError:
        raise ForbiddenTransitionError(
            f"a {machine} that is {state or 'new'} cannot have {event}"
        ) from None


def diagram(machine: str) -> str:
    """Draw one machine as a Mermaid state diagram."""
    arrows = [
        f"    {state or '[*]'} --> {to}: {event}"
        for (state, event), to in TRANSITIONS[machine].items()
    ]
    return "\n".join(["stateDiagram-v2", *arrows])
