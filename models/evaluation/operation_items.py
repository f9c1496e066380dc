"""Duties that the node has to meet where it stands: encryption, retention, audit, who may call."""

import ipaddress
import re
from collections.abc import Callable

from models.evaluation.duties import (
    FAIL,
    HUMAN,
    NOT_APPLICABLE,
    PASS,
    Duty,
    Facts,
    Outcome,
    asks,
)
from node.config import Config, PeerSection

PERSON_NAME = re.compile(r"[^\W\d_]{2,}\^[^\W\d_]+")
"""A name as DICOM writes it (PS3.5 6.2, VR PN)."""
KEYS = re.compile(r"Patient(Name|ID|BirthDate|Address)|OtherPatientIDs")
NO_CONFIG = "no config.yaml was given (--config)"
NO_AUDIT = "no audit trail was given (--audit)"


def _configured(look: Callable[[Config], Outcome]) -> Callable[[Facts], Outcome]:
    def looked(facts: Facts) -> Outcome:
        return look(facts.config) if facts.config is not None else (HUMAN, NO_CONFIG)

    return looked


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _elsewhere(config: Config) -> list[PeerSection]:
    return [peer for peer in config.peers if not _is_here(peer.host)]


def _encrypted(config: Config) -> Outcome:
    others = _elsewhere(config)
    if not others:
        return NOT_APPLICABLE, "every peer is on this machine"
    plain = [f"to {peer.name}" for peer in others if peer.port is not None and not peer.tls]
    plain += [f"from {peer.name}" for peer in others if peer.may and peer.certificate is None]
    if plain:
        return FAIL, f"not over TLS: {', '.join(plain)}"
    return PASS, f"{len(others)} peers elsewhere, all over TLS"


def _known_callers(config: Config) -> Outcome:
    callers = [peer for peer in _elsewhere(config) if "store" in peer.may]
    if not callers:
        return NOT_APPLICABLE, "nobody elsewhere may send"
    weak = [peer.name for peer in callers if not (peer.certificate or peer.passcode)]
    if weak:
        return FAIL, f"known by address and title only, which can be feigned: {', '.join(weak)}"
    return PASS, f"{len(callers)} callers, each known by certificate or passcode"


def _retained(config: Config) -> Outcome:
    images, results = config.retention.instances_hours, config.retention.results_hours
    return PASS, f"images go after {images:g} h, results after {results:g} h"


def _durable(config: Config) -> Outcome:
    how = config.node.durable
    if how == "none":
        return FAIL, "node.durable is none: a crash may take what was answered for"
    return PASS, f"node.durable is {how}"


def _chain(facts: Facts) -> Outcome:
    if facts.audit is None:
        return HUMAN, NO_AUDIT
    if not facts.audit.ok:
        return FAIL, facts.audit.why
    if not facts.audit.rows:
        return NOT_APPLICABLE, "the audit trail is empty"
    return PASS, f"{facts.audit.rows} rows, last hash {facts.audit.head_hash}"


def _nameless(facts: Facts) -> Outcome:
    if facts.audit is None:
        return HUMAN, NO_AUDIT
    for number, text in enumerate(facts.audit.texts, start=1):
        named = any(one in text for one in facts.identifiers)
        if named or PERSON_NAME.search(text) or KEYS.search(text):
            return FAIL, f"row {number} bears what looks like a patient"
    looked = len(facts.identifiers)
    return (
        PASS,
        f"{facts.audit.rows} rows hold no name as DICOM writes it, nor one of {looked} known",
    )


OF_OPERATION = (
    Duty(
        "tls",
        ("HIPAA 164.312(e)(1)", "GDPR Art. 32"),
        "Peers on other machines are spoken to over TLS only",
        _configured(_encrypted),
    ),
    Duty(
        "callers",
        ("HIPAA 164.312(d)", "GDPR Art. 32"),
        "Who sends is known by more than an address",
        _configured(_known_callers),
    ),
    Duty(
        "retention",
        ("GDPR Art. 5(1)(e)", "HIPAA 164.310(d)(2)"),
        "Images and results go after a stated time",
        _configured(_retained),
    ),
    Duty(
        "durable", ("HIPAA 164.308(a)(7)",), "What was accepted is not lost", _configured(_durable)
    ),
    Duty(
        "audit_chain",
        ("HIPAA 164.312(b)", "HIPAA 164.312(c)(1)", "GDPR Art. 5(2)"),
        "The audit trail is whole",
        _chain,
    ),
    Duty(
        "no_patient_in_audit",
        ("GDPR Art. 5(1)(c)", "HIPAA 164.502(b)"),
        "Audit trail and logs name no patient",
        _nameless,
    ),
    Duty(
        "encrypted_at_rest",
        ("HIPAA 164.312(a)(2)(iv)", "GDPR Art. 32"),
        "The data folder lies on an encrypted disk",
        asks("the configuration does not say"),
    ),
    Duty(
        "human_in_the_loop",
        ("GDPR Art. 22",),
        "No decision on a patient is made by the model alone",
        asks("how the department reads results is not in any file"),
    ),
    Duty(
        "impact_assessment",
        ("GDPR Art. 35",),
        "There is a data protection impact assessment",
        asks("no file shows it"),
    ),
    Duty(
        "agreements",
        ("HIPAA 164.308(b)", "GDPR Art. 28"),
        "Agreements with processors are in place",
        asks("no file shows it"),
    ),
)
