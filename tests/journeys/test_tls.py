"""The real node over TLS: images in, results out, and new certificates without a stop."""

import signal
import socket
import subprocess
import time

import pytest

from bench.orthanc import free_port
from node.rules.events import Event
from tests.fakes.authority import Authority
from tests.fakes.process import NodeProcess
from tests.fakes.scanner import Scanner

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def scanner(authority):
    return authority.sign("ct1", "/O=Hospital/CN=ct1")


def tls_node(folder, authority, own, **more):
    peers = [
        {"name": "ct1", "ae_title": "CT1", "host": "127.0.0.1", "may": ["store"]},
        {"name": "sworn", "ae_title": "CT2", "host": "127.0.0.1", "may": ["store"]},
    ]
    peers[0]["certificate"] = "CN=ct1"
    peers[1] |= {"user": "kim", "passcode": "open sesame", "certificate": "CN=ct1"}
    section = {"port": free_port(), "certificate": str(own.certificate), "key": str(own.key)}
    section["authorities"] = str(authority.certificate)
    node = NodeProcess(folder, node={"port": None}, tls=section, peers=peers, routes=[], **more)
    node.tls_port = section["port"]
    return node


def store(node, authority, signed, paths, *options, title="CT1"):
    """Have DCMTK's storescu send files over TLS; give what it said, and whether it was content."""
    command = ["storescu", "+tls", signed.key, signed.certificate, "+cf", authority.certificate]
    command += ["-v", "-aec", "RADNODE", "-aet", title, *options, "localhost", str(node.tls_port)]
    done = subprocess.run(
        [*map(str, command), *map(str, paths)], capture_output=True, text=True, timeout=60
    )
    return done.returncode == 0 and "Status: 0x0000" not in done.stderr, done.stdout + done.stderr


def test_images_come_in_over_tls_from_the_one_who_has_the_certificate(
    tmp_path, authority, scanner, tool
):
    tool("storescu")
    own = authority.sign("own", "/CN=radnode", NAMES)
    stranger = authority.sign("ct9", "/O=Hospital/CN=ct9")
    paths = Scanner().save(tmp_path / "series", 5)
    with tls_node(tmp_path / "node", authority, own) as node:
        well, said = store(node, authority, scanner, paths)
        assert well, said
        node.wait_for("instance_received", 5)
        well, _ = store(node, authority, stranger, paths)
        assert not well
        (refused,) = [
            row for row in node.wait_for("association_refused") if "refused" in row["event"]
        ]
        assert "CN=ct9" in str(refused["detail"])


def test_a_user_name_and_passcode_let_in_who_must_give_them(tmp_path, authority, scanner, tool):
    tool("storescu")
    own = authority.sign("own2", "/CN=radnode", NAMES)
    paths = Scanner().save(tmp_path / "series", 2)
    with tls_node(tmp_path / "node", authority, own) as node:
        wrong = ["-usr", "kim", "-pwd", "open barley"]
        right = ["-usr", "kim", "-pwd", "open sesame", "-rsp"]
        assert not store(node, authority, scanner, paths, title="CT2")[0]
        assert not store(node, authority, scanner, paths, *wrong, title="CT2")[0]
        well, said = store(node, authority, scanner, paths, *right, title="CT2")
        assert well, said
        node.wait_for("instance_received", 2)
        assert "sesame" not in node.journal() + str(node.audit())
        assert "barley" not in node.journal() + str(node.audit())


def test_a_new_certificate_is_taken_at_sighup_and_a_bad_one_is_not(
    tmp_path, authority, scanner, tool
):
    tool("storescu")
    own = authority.sign("own3", "/CN=before", NAMES)
    paths = Scanner().save(tmp_path / "series", 2)
    with tls_node(tmp_path / "node", authority, own) as node:
        assert serving(node) == "before"
        after = authority.sign("own3", "/CN=after", NAMES)
        assert after.certificate == own.certificate
        node.process.send_signal(signal.SIGHUP)
        wait_for_line(node, "certificates_reloaded")
        assert serving(node) == "after"
        own.certificate.write_text("no certificate")
        node.process.send_signal(signal.SIGHUP)
        wait_for_line(node, "holds no certificate")
        assert serving(node) == "after"
        assert store(node, authority, scanner, paths)[0]
        node.wait_for(Event.INSTANCE_RECEIVED, 2)


def serving(node):
    """Give the common name of the certificate that the node shows."""
    asked = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{node.tls_port}"],
        input="",
        capture_output=True,
        text=True,
        timeout=20,
    )
    subject = next(line for line in asked.stdout.splitlines() if line.startswith("subject="))
    return subject.split("CN")[1].strip(" =")


def wait_for_line(node, text, seconds=10.0):
    deadline = time.monotonic() + seconds
    while text not in node.journal():
        assert time.monotonic() < deadline, node.journal()
        time.sleep(0.05)


def wait_until_listening(port, seconds=10.0):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_a_destination_is_sent_to_over_tls(tmp_path, authority, tool):
    kept = tmp_path / "kept"
    kept.mkdir()
    theirs = authority.sign("pacs", "/CN=pacs", NAMES)
    own = authority.sign("own4", "/CN=radnode", NAMES)
    port = free_port()
    pacs = subprocess.Popen(
        [
            *(tool("storescp"), "+tls", theirs.key, theirs.certificate),
            *("+cf", authority.certificate, "-aet", "PACS", "-od", kept, str(port)),
        ],
        stderr=(tmp_path / "pacs.log").open("wb"),
    )
    peers = [
        {
            "name": "pacs",
            "ae_title": "PACS",
            "host": "127.0.0.1",
            "port": port,
            "tls": True,
        }
    ]
    tls = {"certificate": str(own.certificate), "key": str(own.key)}
    tls["authorities"] = str(authority.certificate)
    node = NodeProcess(tmp_path / "node", peers=peers, routes=[], tls=tls)
    paths = Scanner().save(tmp_path / "series", 3)
    wait_until_listening(port)
    try:
        said = node.cli("send", *map(str, paths), "--to", "pacs")
        assert "3" in said
        assert len(list(kept.iterdir())) == 3
    finally:
        pacs.kill()
        pacs.wait()
