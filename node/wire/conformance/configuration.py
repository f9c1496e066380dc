"""What can be configured, with its defaults (PS3.2 N.6)."""

from collections.abc import Iterable

from pydantic import BaseModel

from node.config import DeliverySection, NodeSection, PeerSection, RouteSection, TlsSection
from node.wire.conformance.tables import table

_GENERAL = {
    "ae_title": "AE title",
    "host": "address to listen on",
    "port": "TCP port to listen on, without TLS",
    "maximum_associations": "associations open at once, of all callers",
    "maximum_pdu": "largest PDU offered to receive, in bytes",
    "request_timeout_seconds": "time for a whole association request (ARTIM)",
    "idle_timeout_seconds": "time for the next PDU",
}
_STORAGE = {
    "durable": "what an image is kept through before it is answered for",
    "maximum_object_mb": "largest object that is taken, in 10^6 bytes",
    "minimum_free_mb": "with less free disk associations are refused for the moment",
}
_PEER = {
    "ae_title": 'its AE title ("*": any, for callers only)',
    "host": "its address",
    "port": "its TCP port, to be sent to",
    "may": "whether it may store",
    "commitment": "whether it is asked for storage commitment",
    "maximum_associations": "associations of its own open at once",
    "tls": "whether it is called over TLS",
    "certificate": "the certificate by which alone it is known",
    "user": "the user name that it must give",
    "passcode": "and its passcode",
}
_ROUTE = {
    "when": "values of attributes of the series that it is for",
    "send_to": "the destinations",
    "results": "what is made",
    "if_not_run": "what the study is told when the model came to no result",
}
_DELIVERY = {
    "retry_first_seconds": "pause after a failure that may pass; doubled each time",
    "retry_longest_seconds": "up to this",
    "give_up_hours": "then it is given up until a person retries it",
}
_TLS = {"port": "TCP port for callers with TLS"}


def section() -> str:
    """Write section 6."""
    return f"""\
## 6 Configuration
All keys are those of config.yaml.

### 6.1 General Configuration Parameters
{_keys("node", NodeSection, _GENERAL)}

{_keys("tls", TlsSection, _TLS)}

Each peer, caller or destination:

{_keys("peers[]", PeerSection, _PEER)}

### 6.2 Configuration of DIMSE Services

#### 6.2.5 Storage
{_keys("node", NodeSection, _STORAGE)}

{_keys("routes[]", RouteSection, _ROUTE)}

{_keys("delivery", DeliverySection, _DELIVERY)}

#### 6.2.6 Storage Commitment
`peers[].commitment`, see 6.1.

### 6.3 Configuration of DICOM Web Services
None.

### 6.4 Configuration of Media Storage Services
None.

### 6.5 Configuration of Real-Time Video Services
None.

### 6.6 Configuration of the Audit Trail
None: the node keeps an audit trail of its own (see 8.7)."""


def _keys(name: str, model: type[BaseModel], meanings: dict[str, str]) -> str:
    rows = [(f"`{name}.{key}`", meaning, _default(model, key)) for key, meaning in meanings.items()]
    return table(("Parameter", "Meaning", "Default"), rows)


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "none; it must be given"
    value = field.get_default()
    if value is None:
        return "none"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)
