"""UIDs and names that come out the same on every try, and never the same for other evidence."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping

NAMESPACE = uuid.UUID("6d2f0d0c-6c0e-5f43-9f7f-6f3f1f0e9a11")
"""The namespace of all UUIDs that radnode derives (RFC 9562, version 5)."""


def derived_uid(*parts: object) -> str:
    """Derive a UID under 2.25 from the parts, always the same (PS3.5 B.2)."""
    text = "\x1f".join(str(part) for part in parts)
    return f"2.25.{uuid.uuid5(NAMESPACE, text).int}"


def evidence_digest(instances: Iterable[tuple[str, str]]) -> str:
    """Digest pairs of (SOP Instance UID, sha256): which images, what content."""
    digest = hashlib.sha256()
    for uid, sha256 in sorted(instances):
        digest.update(f"{uid}\x1f{sha256}\n".encode())
    return digest.hexdigest()


def job_id(series_uid: str, evidence: str, bundle_hash: str) -> str:
    """Name the job of one model over one body of evidence; the same job cannot exist twice."""
    return uuid.uuid5(NAMESPACE, f"job\x1f{series_uid}\x1f{evidence}\x1f{bundle_hash}").hex


def run(bundle_hash: str, facts: Mapping[str, str]) -> str:
    """Name what ran: a bundle as it is or a network compiled of it, by which engine, how exactly.

    Another engine or precision finds a little else, and its name stands in the report.

    Args:
        bundle_hash: which bundle.
        facts: what is known of the run: `artefact` names a compiled network.
    """
    how = [facts.get(key, "") for key in ("artefact", "engine", "precision")]
    return "+".join((bundle_hash, *how)) if any(how) else bundle_hash


def result_uid(job: str, kind: str, level: str) -> str:
    """Derive the UID of a job's result; `kind` as in Result.kind, `level` series or instance."""
    return derived_uid("result", job, kind, level)


def tracking_uid(job: str, name: str) -> str:
    """Derive the UID under which all results of a job speak of the same finding."""
    return derived_uid("tracking", job, name)
