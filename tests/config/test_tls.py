"""The keys about ports, TLS and who may call: what they need of one another, and of their files."""

from pathlib import Path

import pytest

from node.cli.checking import check
from node.config import ConfigError, load
from tests.fakes.authority import Authority

FILES = "certificate: own.pem, key: own.key, authorities: ca.pem"
CT = "peers: [{name: ct, ae_title: CT, host: 127.0.0.1, "


@pytest.fixture
def folder(tmp_path):
    for name in ("own.pem", "own.key", "ca.pem"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def written(folder):
    def write(text):
        (folder / "config.yaml").write_text(text)
        return folder / "config.yaml"

    return write


@pytest.fixture
def complaints(written, folder):
    def read(text):
        with pytest.raises(ConfigError) as caught:
            load(written(text))
        return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]

    return read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "node: {durable: always}\n",
            "node.durable must be 'instance', 'association' or 'none'",
        ),
        ("node: {durable: no}\n", "node.durable must be 'instance', 'association' or 'none'"),
        ("node: {processes: 0}\n", "node.processes must be at least 1"),
        ("node: {processes: 1.5}\n", "node.processes must be a whole number"),
        ("node: {maximum_object_mb: 0}\n", "node.maximum_object_mb must be more than 0"),
        ("node: {idle_timeout_seconds: 0}\n", "node.idle_timeout_seconds must be more than 0"),
        (
            "node: {request_timeout_seconds: null}\n",
            "node.request_timeout_seconds must be a number",
        ),
        (
            "node: {port: null}\n",
            "node.port and tls.port are both null, so nobody could call",
        ),
        ("tls: {prot: 2762}\n", "tls.prot is not a key; did you mean port?"),
        ("tls: {port: 65536}\n", "tls.port must be at most 65535"),
        ("tls: {authorities: 1}\n", "tls.authorities must be the name of a file or folder"),
        ("tls: {authorities: none.pem}\n", "tls.authorities: there is no file none.pem"),
        ("tls: {authorities: .}\n", "tls.authorities: there is no file "),
        (
            "tls: {certificate: own.pem}\n",
            "tls.key is missing; tls.certificate is of no use without it",
        ),
        (
            "tls: {key: own.key}\n",
            "tls.certificate is missing; tls.key is of no use without it",
        ),
        (
            f"tls: {{port: 11112, {FILES}}}\n",
            "tls.port is the same as node.port; TLS needs a port of its own",
        ),
        (CT + "may: [store], maximum_associations: 0}]\n", "peers[0].maximum_associations must be"),
        (CT + "tls: 'yes'}]\n", "peers[0].tls must be true or false"),
        (CT + "certificate: ct1}]\n", "peers[0].certificate must be CN=..., a whole subject"),
        (CT + "certificate: 'CN=ct1,'}]\n", "peers[0].certificate must be CN=..."),
        (CT + "certificate: 'dns:a b'}]\n", "peers[0].certificate must be an IP address or a host"),
        (CT + "certificate: 'dns:10.0.0.7'}]\n", "peers[0].certificate: dns: wants the name of a"),
        (
            CT + "certificate: CN=ct1}]\n",
            "peers[0].certificate: nobody can show one as long as tls.port is null",
        ),
        (CT + "user: ''}]\n", "peers[0].user must not be empty"),
        (CT + "passcode: x}]\n", "peers[0].passcode needs a user that it belongs to"),
        (
            CT + "user: u, passcode: 1234}]\n",
            "peers[0].passcode must be text (a number needs quotes)",
        ),
        (
            CT + "port: 104, tls: true}]\n",
            "peers[0].tls needs tls.authorities, to know the peer's certificate by",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_key(complaints, text, said):
    found = [line for line in complaints(text) if line.startswith(f"config.yaml:1: {said}")]
    assert len(found) == 1


def test_the_port_for_tls_needs_all_three_files(complaints):
    assert complaints("node: {port: null}\ntls:\n  port: 2762\n  key: null\n") == [
        "config.yaml:2: tls.authorities is missing; the listener on tls.port needs it",
        "config.yaml:2: tls.certificate is missing; the listener on tls.port needs it",
        "config.yaml:4: tls.key is missing; the listener on tls.port needs it",
    ]


def test_a_node_may_listen_with_tls_only(written, folder):
    config = load(written(f"node: {{port: null}}\ntls: {{port: 2762, {FILES}}}\n"))
    assert (config.node.port, config.tls.port) == (None, 2762)
    assert config.tls.certificate == folder / "own.pem"
    assert config.tls.key == folder / "own.key"
    assert config.tls.authorities == folder / "ca.pem"


@pytest.mark.parametrize("other", ["port: null", "port: 0", "port: 2761"])
def test_both_ports_may_be_any_that_is_free(written, other):
    tls = load(written(f"node: {{{other}}}\ntls: {{port: 0, {FILES}}}\n")).tls
    assert tls.port == 0


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        ("CN=ct1", "CN=ct1"),
        ("' CN=ct1 '", "CN=ct1"),
        ("'CN=ct1,O=Spital\\, Nörd,C=CH'", "CN=ct1,O=Spital\\, Nörd,C=CH"),
        ("'DNS:ct1.hospital.example'", "dns:ct1.hospital.example"),
    ],
)
def test_a_peers_certificate_is_a_name_a_subject_or_a_host(written, wish, kept):
    text = f"tls: {{port: 2762, {FILES}}}\n{CT}certificate: {wish}}}]\n"
    assert load(written(text)).peers[0].certificate == kept


def test_a_peer_that_is_only_called_may_have_a_certificate_too(written):
    text = f"tls: {{authorities: ca.pem}}\n{CT}port: 104, tls: true, certificate: CN=pacs}}]\n"
    assert load(written(text)).peers[0].tls


def test_secrets_come_from_the_environment_and_are_never_shown(written, monkeypatch):
    text = (
        "tls: {key_password: 'env:KEY_PASSWORD'}\n"
        "peers:\n"
        "  - {name: a, ae_title: A, host: h, user: u, passcode: 'env:PASSCODE_A'}\n"
        "  - {name: b, ae_title: B, host: h, user: u, passcode: open sesame}\n"
    )
    monkeypatch.delenv("KEY_PASSWORD", raising=False)
    monkeypatch.delenv("PASSCODE_A", raising=False)
    with pytest.raises(ConfigError) as caught:
        load(written(text))
    assert [line.split(":", 1)[1] for line in str(caught.value).splitlines()] == [
        "1: tls.key_password: the environment variable KEY_PASSWORD is not set",
        "3: peers[0].passcode: the environment variable PASSCODE_A is not set",
    ]
    monkeypatch.setenv("KEY_PASSWORD", "s3cret")
    monkeypatch.setenv("PASSCODE_A", "s3cret")
    config = load(written(text))
    assert config.tls.key_password == config.peers[0].passcode == "s3cret"
    assert "s3cret" not in repr(config)
    assert "sesame" not in repr(config)


def test_a_wrong_secret_is_not_repeated(complaints):
    said = complaints(CT + "user: u, passcode: [s3cret]}]\ntls: {key_password: {s3cret: 1}}\n")
    assert len(said) == 2
    assert "s3cret" not in "".join(said)


def test_an_alias_is_looked_up_for_each_peer_on_its_own(written, monkeypatch):
    monkeypatch.setenv("PASSCODE", "s3cret")
    text = (
        "peers:\n"
        "  - &a {name: a, ae_title: A, host: h, user: u, passcode: 'env:PASSCODE'}\n"
        "  - {<<: *a, name: b, passcode: plain}\n"
    )
    assert [peer.passcode for peer in load(written(text)).peers] == ["s3cret", "plain"]


def test_a_key_that_only_the_node_may_read_is_no_complaint_of_others(written, folder, monkeypatch):
    """Root, as which tests may run, may look everywhere; so the folder is closed in this way."""
    private, real = folder / "private", Path.is_file
    private.mkdir()
    (private / "own.key").touch()

    def closed(path, *rest, **more):
        if path.parent == private:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(Path, "is_file", closed)
    text = "tls: {certificate: own.pem, key: private/own.key}\n"
    assert load(written(text)).tls.key == private / "own.key"


# -- radnode check -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ({}, "own", ""),
        ({"days": -1}, "own", "certificate has expired"),
        ({}, "other", "is not the key of"),
    ],
    ids=["good", "expired", "another's key"],
)
def test_check_tries_the_certificate_out(written, tmp_path, own, other, said):
    authority = Authority(tmp_path)
    authority.sign("other", "/CN=other")
    authority.sign("own", "/CN=radnode", **own)
    text = (
        "node: {port: 0}\ntls:\n  port: 0\n  authorities: authority/ca.pem\n"
        f"  certificate: authority/own.pem\n  key: authority/{other}.key\n"
    )
    looked_at = dict(check(load(written(text))))
    problem = looked_at["certificate, key and authorities"]
    assert said in problem
    assert bool(problem) == bool(said)
    assert looked_at["port 0 (TLS)"] == ""


def test_check_says_nothing_of_certificates_where_there_is_no_tls(written):
    assert not any("certificate" in what for what, _ in check(load(written("node: {port: 0}\n"))))
