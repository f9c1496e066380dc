"""The closed list of things that can happen: audit rows, journal lines and timelines all use it."""

from enum import StrEnum


class Event(StrEnum):
    """Everything that the node ever writes down, in the past tense."""

    NODE_STARTED = "node_started"
    NODE_STOPPED = "node_stopped"

    ASSOCIATION_OPENED = "association_opened"
    ASSOCIATION_REFUSED = "association_refused"
    ASSOCIATION_CLOSED = "association_closed"

    INSTANCE_RECEIVED = "instance_received"
    INSTANCE_REPEATED = "instance_repeated"
    INSTANCE_CONFLICTED = "instance_conflicted"
    INSTANCE_REFUSED = "instance_refused"
    INSTANCE_LOST = "instance_lost"

    SERIES_SETTLED = "series_settled"
    SERIES_REOPENED = "series_reopened"
    SERIES_UNCLAIMED = "series_unclaimed"

    JOB_CREATED = "job_created"
    JOB_HELD = "job_held"
    JOB_RELEASED = "job_released"
    JOB_CLAIMED = "job_claimed"
    JOB_LAPSED = "job_lapsed"
    JOB_RETRIED = "job_retried"
    JOB_REFUSED = "job_refused"
    JOB_FAILED = "job_failed"
    JOB_FINISHED = "job_finished"
    JOB_SUPERSEDED = "job_superseded"
    RESULTS_WITHHELD = "results_withheld"
    RESULTS_SUPERSEDED = "results_superseded"

    DELIVERY_QUEUED = "delivery_queued"
    DELIVERY_STARTED = "delivery_started"
    DELIVERY_RETRIED = "delivery_retried"
    DELIVERY_ACCEPTED = "delivery_accepted"
    DELIVERY_DECLINED = "delivery_declined"
    DELIVERY_FAILED = "delivery_failed"
    COMMITMENT_REQUESTED = "commitment_requested"
    DELIVERY_COMMITTED = "delivery_committed"
    COMMITMENT_REFUSED = "commitment_refused"

    BYTES_RELEASED = "bytes_released"
