"""Security: profiles, ports, cipher suites, user identity (PS3.2 N.8)."""

import ssl

from node.config import NodeSection
from node.wire import security
from node.wire.conformance.tables import table


def section() -> str:
    """Write section 8."""
    return f"""\
## 8 Security

### 8.1 Introduction
A caller is let in by what the configuration says of it, and by nothing else. Without TLS, titles
and addresses are what a peer says of itself: use TLS, or a network that only the right systems
reach.

### 8.2 External Network Requirements
Time synchronisation of the host (results bear its time); a name service if peers are configured by
host name. No other.

### 8.3 TCP Port Configuration
{NodeSection().port} by default without TLS; none by default with TLS (2762 is usual); destinations
as configured.

### 8.4 DICOM Security Profiles

#### 8.4.1 Secure Use and User Identity Profiles
User Identity Plus Passcode Association Profile, and Basic User Identity Association Profile
(PS3.15 B.5 and B.4), as acceptor.

#### 8.4.2 Secure Transport Connection Profiles
BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12), as initiator and
acceptor: TLS 1.2 and 1.3, without compression, renegotiation and session tickets. Both sides show
certificates (X.509, PEM); who calls must have one of a configured authority, who is called one for
the name of its host, or the one that is configured for it. Revocation lists are not looked at. The
cipher suites, best first, with the OpenSSL that printed this:

{table(("Suite", "Protocol"), _suites())}

#### 8.4.3 Media Storage Security Profiles
None.

#### 8.4.4 Attribute Confidentiality Profiles
None.

#### 8.4.5 Digital Signature Profiles
None. Each result is known by its sha256 in the audit trail.

#### 8.4.6 Additional DICOM Security Profiles
None.

{_identity()}"""


def _identity() -> str:
    return """\
### 8.5 User Identity Negotiation

#### 8.5.1 Association Initiation
None is sent.

#### 8.5.2 Association Acceptance
Types 1 (user name) and 2 (user name and passcode) are checked where a peer is configured with them,
with a positive response if the caller asks for one; of other peers they are ignored. Types 3
(Kerberos), 4 (SAML) and 5 (JSON web token) cannot be checked and are rejected.

### 8.6 Web Services Security Features
Not supported.

### 8.7 Other Security Features
An audit trail of every association, image, job and delivery, each row chained to the one before by
sha256 (`radnode audit verify`); it holds UIDs and no patient. Journal lines hold no patient. Images
and results lie unencrypted in the node's data folder: encrypt the disk."""


def _suites() -> list[tuple[str, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(security.CIPHERS)
    return [(one["name"], one["protocol"]) for one in context.get_ciphers()]
