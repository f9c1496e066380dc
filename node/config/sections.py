"""What config.yaml may hold: its sections and keys, their defaults, and what a value has to be."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LARGEST_PDU = 16 * 1024 * 1024
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ESCAPE = r"""\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\]"""
_SUBJECT_PART = (
    r" *(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *="
    rf"""(?:{_ESCAPE}|[^"+,;<>\\\0])*(?:{_ESCAPE}|[^ "+,;<>\\\0]) *"""
)
_SUBJECT = re.compile(rf"{_SUBJECT_PART}(?:[,+]{_SUBJECT_PART})*")  # RFC 4514


def _ae_title(text: str) -> str:
    """Check an AE title (PS3.5 6.2); leading and trailing spaces do not count."""
    title = text.strip(" ")
    if not title:
        raise ValueError("an AE title must not be blank")
    if len(title) > 16:
        raise ValueError(f"an AE title has at most 16 characters, this one {len(title)}")
    if "\\" in title or not (title.isascii() and title.isprintable()):
        raise ValueError("an AE title is plain ASCII without backslash or control characters")
    return title


def _host(text: str) -> str:
    """Check an IP address, or a host name (RFC 1123; underscores are met in practice)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        labels = text.removesuffix(".").split(".")
    is_name = len(text) <= 253 and all(_HOST_LABEL.fullmatch(one) for one in labels)
    if not is_name or all(label.isdigit() for label in labels):
        raise ValueError("it must be an IP address or a host name")
    return text


def _certificate(text: str) -> str:
    """Check what a certificate is to be known by."""
    name = text.strip()
    if name[:4].casefold() == "dns:":
        host = _host(name[4:])
        if ":" in host or host.replace(".", "").isdigit():
            raise ValueError("dns: wants the name of a host, not an address")
        return f"dns:{host}"
    if not _SUBJECT.fullmatch(name):
        raise ValueError("it must be CN=..., a whole subject as RFC 4514 writes it, or dns:...")
    return name


def _frozen(conditions: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(wish) if isinstance(wish, list) else wish for k, wish in conditions.items()}


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Host = Annotated[str, AfterValidator(_host)]
CertificateName = Annotated[str, AfterValidator(_certificate)]
Name = Annotated[str, Field(min_length=1)]
Secret = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
OwnPort = Annotated[int, Field(strict=True, ge=0, le=65535)]
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]


class Section(BaseModel):
    """A part of the file: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    """Who we are and where we keep things; port 0 takes any free one."""

    ae_title: AeTitle = "RADNODE"
    host: Host = "0.0.0.0"  # noqa: S104 - modalities call from elsewhere
    port: OwnPort | None = 11112
    data_dir: Path = Path("var")
    durable: Literal["instance", "association", "none"] = "instance"
    processes: Count = 1
    maximum_associations: Count = 50
    maximum_pdu: Annotated[int, Field(strict=True, ge=4096, le=_LARGEST_PDU)] = 131072
    maximum_object_mb: PositiveNumber = 8192.0
    minimum_free_mb: Number = 500.0
    request_timeout_seconds: PositiveNumber = 10.0
    idle_timeout_seconds: PositiveNumber = 60.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class TlsSection(Section):
    """Whom we are to those who call over TLS, and whom we take them for; port 0 takes any."""

    port: OwnPort | None = None
    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    key_password: Secret | None = Field(default=None, repr=False)


class DatabaseSection(Section):
    """Where facts are kept; the address may hold a password, so it is never shown."""

    url: str | None = Field(default=None, repr=False)


class PeerSection(Section):
    """Somebody the node talks to."""

    name: Name
    ae_title: AeTitle
    host: Host
    port: Port | None = None
    may: tuple[Literal["store", "query"], ...] = ()
    commitment: Switch = False
    maximum_associations: Count | None = None
    tls: Switch = False
    certificate: CertificateName | None = None
    user: Name | None = None
    passcode: Secret | None = Field(default=None, repr=False)


_Engine = Literal["auto", "openvino", "onnxruntime", "torch", "tensorrt"]
_Precision = Literal["auto", "f32", "bf16", "f16", "int8"]


class ModelSection(Section):
    """What differs for one model; what is left out is as for all of them."""

    engine: _Engine | None = None
    precision: _Precision | None = None
    timeout_seconds: PositiveNumber | None = None
    memory_mb: Number | None = None
    fall_back_to_cpu: Switch | None = None


class ModelsSection(Section):
    """The shelf, and how its models are run."""

    dir: Path = Path("models/bundles")
    timeout_seconds: PositiveNumber = 600.0
    attempts: Count = 3
    threads: Annotated[int, Field(strict=True, ge=0)] = 0
    engine: _Engine = "auto"
    precision: _Precision = "auto"
    warm_mb: Number = 0.0
    memory_mb: Number = 0.0
    fall_back_to_cpu: Switch = True
    python: Path | None = None
    by_name: dict[Name, ModelSection] = {}


_Output = Literal[
    "seg", "labelmap", "sr", "preview", "key_objects", "presentation_state", "pdf", "rtstruct"
]


class StudySection(Section):
    """Which series of a study there have to be before a route's model is run."""

    series: dict[Name, Annotated[dict[str, Any], AfterValidator(_frozen)]]
    complete: Name
    force_after_seconds: PositiveNumber | None = None
    then: Literal["proceed", "refuse", "wait"] = "wait"


class InputsSection(Section):
    """What a route says of volumes, on top of what the bundle says."""

    tilted: Switch = True
    variable_spacing: Switch = True
    missing_slices: Annotated[int, Field(strict=True, ge=0)] | None = None
    scope: Literal["refuse", "mark"] = "refuse"
    modality: Literal["refuse", "mark", "off"] = "mark"
    doubt: Literal["mark", "hold", "withhold"] | None = None


class RouteSection(Section):
    """Which series go to which model, and where its results go."""

    name: Name
    when: Annotated[dict[str, Any], AfterValidator(_frozen)]
    model: Name
    send_to: tuple[str, ...] = ()
    results: tuple[_Output, ...] = ("seg", "sr", "preview", "key_objects", "presentation_state")
    if_not_run: tuple[Literal["report", "picture"], ...] = ("report",)
    stat: bool = False
    study: StudySection | None = None
    inputs: InputsSection = InputsSection()
    fall_back_to_cpu: Switch | None = None


class SettlingSection(Section):
    """When a series counts as complete."""

    quiet_seconds: Number = 5.0
    open_association_quiet_seconds: Number = 60.0
    aborted_association_quiet_seconds: Number = 60.0
    complete_seconds: Number = 0.2
    complete_open_association_seconds: Number = 5.0
    pacs_count_seconds: Number = 2.0
    incomplete_seconds: Number = 60.0
    shortest_seconds: Number = 1.0
    unknown_sender_seconds: Number = 60.0


class PreparingSection(Section):
    """What may be done with a series before it has settled; 0 series, megabytes or looks: none."""

    series: Annotated[int, Field(strict=True, ge=0)] = 4
    megabytes: Number = 1024.0
    early_looks: Annotated[int, Field(strict=True, ge=0)] = 2
    look_after_seconds: Number = 0.3
    streaming: Switch = True


class DeliverySection(Section):
    """How stubbornly results are sent."""

    retry_first_seconds: PositiveNumber = 5.0
    retry_longest_seconds: PositiveNumber = 300.0
    give_up_hours: PositiveNumber = 72.0


class RetentionSection(Section):
    """For how long bytes are kept after everything is final."""

    instances_hours: Number = 24.0
    results_hours: Number = 168.0


class Config(Section):
    """The whole configuration; without peers and routes nobody may call and nothing is done."""

    node: NodeSection = NodeSection()
    tls: TlsSection = TlsSection()
    database: DatabaseSection = DatabaseSection()
    peers: tuple[PeerSection, ...] = ()
    models: ModelsSection = ModelsSection()
    routes: tuple[RouteSection, ...] = ()
    settling: SettlingSection = SettlingSection()
    preparing: PreparingSection = PreparingSection()
    delivery: DeliverySection = DeliverySection()
    retention: RetentionSection = RetentionSection()
