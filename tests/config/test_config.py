"""Every complaint about the configuration names its key, its line, and what was meant."""

from pathlib import Path

import pydantic
import pytest

from node.config import ConfigError, find, load

PEER = "peers:\n  - {name: pacs, ae_title: PACS, host: 10.1.2.3, port: 104}\n"
ROUTE = PEER + "routes:\n  - name: r\n    model: m\n    send_to: [pacs]\n    when:\n      "


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def complaints(written):
    """What is said of a text, line by line, without the folder."""

    def read(text):
        path = written(text)
        with pytest.raises(ConfigError) as caught:
            load(path)
        return [line.replace(f"{path.parent}/", "") for line in str(caught.value).splitlines()]

    return read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: {}\n", "1: nodes is not a key; did you mean node?"),
        (
            "node:\n  ae_titel: X\n",
            "2: node.ae_titel is not a key; did you mean ae_title?",
        ),
        (
            "# radnode\n\npeers:\n  - {name: a, ae_title: A, host: h}\n"
            "  - name: b\n    ae_title: B\n    host: h\n    prot: 104\n",
            "8: peers[1].prot is not a key; did you mean port?",
        ),
        (
            "models:\n  gpu: 1\n",
            "2: models.gpu is not a key; known here: dir, timeout_seconds, attempts, threads, "
            "engine, precision, warm_mb, memory_mb, fall_back_to_cpu, python, by_name",
        ),
        ("peers:\n  - name: a\n    host: h\n", "2: peers[0].ae_title is missing"),
    ],
)
def test_an_unknown_or_missing_key_is_named_with_its_line_and_what_was_meant(
    complaints, text, said
):
    assert complaints(text) == [f"config.yaml:{said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node: {port: 99999}\n", "1: node.port must be at most 65535"),
        ("node: {port: true}\n", "1: node.port must be a whole number"),
        ("node: {port: '104'}\n", "1: node.port must be a whole number"),
        ("node: {maximum_pdu: 100}\n", "1: node.maximum_pdu must be at least 4096"),
        ("node: {host: 10.1.2}\n", "1: node.host must be an IP address or a host name"),
        ("node: {host: 10.1.2.300}\n", "1: node.host must be an IP address or a host name"),
        ("node: {host: a b}\n", "1: node.host must be an IP address or a host name"),
        (
            "node: {log_level: loud}\n",
            "1: node.log_level must be 'debug', 'info', 'warning' or 'error'",
        ),
        ("settling: {quiet_seconds: soon}\n", "1: settling.quiet_seconds must be a number"),
        ("settling: {quiet_seconds: -1}\n", "1: settling.quiet_seconds must be at least 0"),
        ("settling: {quiet_seconds: .nan}\n", "1: settling.quiet_seconds must be a finite number"),
        ("models: {timeout_seconds: 0}\n", "1: models.timeout_seconds must be more than 0"),
        ("peers:\n", "1: peers must be a list"),
        ("database:\n", "1: database must hold keys"),
        ("- a\n", "1: the file must hold keys"),
        (
            "delivery:\n  retry_first_seconds: 9\n  retry_longest_seconds: 3\n",
            "3: delivery.retry_longest_seconds is shorter than retry_first_seconds",
        ),
        (
            PEER + "  - {name: pacs, ae_title: B, host: h}\n",
            "3: peers[1].name: the name 'pacs' is used twice",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused(complaints, text, said):
    assert complaints(text) == [f"config.yaml:{said}"]


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("'A\\B'", "plain ASCII without backslash or control characters"),
        ('"A\\tB"', "plain ASCII without backslash or control characters"),
        ("RÖNTGEN", "plain ASCII without backslash or control characters"),
        ("ABCDEFGHIJKLMNOPQ", "at most 16 characters, this one 17"),
        ("'    '", "must not be blank"),
        ("'R*'", "must not be a pattern"),
    ],
)
def test_our_ae_title_is_one_that_ps3_5_allows(complaints, title, why):
    (said,) = complaints(f"node:\n  ae_title: {title}\n")
    assert said.startswith("config.yaml:2: node.ae_title: ")
    assert said.endswith(why)


def test_spaces_around_an_ae_title_do_not_count(written):
    assert load(written("node: {ae_title: ' ROOM 1 '}\n")).node.ae_title == "ROOM 1"


def test_any_title_may_call_but_none_can_be_sent_to(written, complaints):
    caller = "peers:\n  - {name: any, ae_title: '*', host: 127.0.0.1"
    assert load(written(caller + ", may: [store]}\n")).peers[0].ae_title == "*"
    assert complaints(caller + ", port: 104}\n") == [
        "config.yaml:2: peers[0].ae_title: a peer with a port needs its own AE title"
    ]


def test_commitment_is_asked_of_peers_that_can_be_reached(complaints):
    assert complaints("peers:\n  - {name: a, ae_title: A, host: h, commitment: true}\n") == [
        "config.yaml:2: peers[0].commitment: storage commitment needs the peer's port"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "pacs", "pacs.hospital.example", "CT_1"])
def test_a_host_is_an_address_or_a_name(written, host):
    path = written(f"peers:\n  - {{name: a, ae_title: A, host: '{host}'}}\n")
    assert load(path).peers[0].host == host


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("Modallity: MR", "Modallity is no keyword of DICOM's; did you mean Modality?"),
        ("modality: MR", "modality is no keyword of DICOM's; did you mean Modality?"),
        (
            "BodyPartExamined: NO",
            "BodyPartExamined: YAML reads this as true, false or a date; put it in quotes",
        ),
        ('KVP: "<= 100 kV"', "KVP: '<= 100 kV' is no comparison; write it like \"<=2.5\""),
        ("Modality: []", "Modality: an empty list fits nothing"),
        (
            "Modality: {is: MR}",
            "Modality must be text, a number, a comparison, or a list of these",
        ),
        ("Modality:", "Modality must be text, a number, a comparison, or a list of these"),
    ],
)
def test_a_condition_that_could_never_hold_is_refused(complaints, condition, said):
    assert complaints(ROUTE + condition + "\n") == [f"config.yaml:8: routes[0].when.{said}"]


def test_every_kind_of_condition_comes_through(written):
    text = 'Modality: [MR, CT]\n      KVP: 120\n      SliceThickness: "<=2.5"\n'
    (route,) = load(written(ROUTE + text)).routes
    assert route.when == {"Modality": ("MR", "CT"), "KVP": 120, "SliceThickness": "<=2.5"}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("[pasc]", "no peer is called 'pasc'; did you mean pacs?"),
        ("[scanner]", "the peer 'scanner' has no port, so nothing can be sent to it"),
    ],
)
def test_a_route_sends_to_peers_that_can_be_reached(complaints, names, said):
    peers = PEER + "  - {name: scanner, ae_title: '*', host: h}\n"
    route = f"routes:\n  - {{name: r, when: {{}}, model: m, send_to: {names}}}\n"
    assert complaints(peers + route) == [f"config.yaml:5: routes[0].send_to[0]: {said}"]


def test_all_complaints_come_at_once_in_the_order_of_the_file(complaints):
    said = complaints(
        "node: {prot: 1}\n"
        "peer: []\n"
        "peers:\n"
        "  - {name: a, ae_title: '*', host: h, port: 104}\n"
        "database: {url: 'env:RADNODE_NOT_SET'}\n"
        "settling: {quiet_seconds: soon}\n"
    )
    assert [line.split(":")[1] for line in said] == ["1", "2", "4", "5", "6"]


def test_a_key_that_stands_twice_is_refused_and_not_quietly_taken(complaints):
    assert complaints("node:\n  port: 1\n  port: 2\n") == [
        "config.yaml:3: node.port stands there twice; remove one"
    ]


@pytest.mark.parametrize(
    "text",
    ["node: [\n", "a: {b\n", "\tnode: {}\n", "x: 2020-99-99\n", "? {a: b}\n: 1\n", "node: \0\n"],
)
def test_what_is_not_yaml_is_told_without_a_traceback(complaints, text):
    (said,) = complaints(text)
    assert "it is not YAML" in said or "it cannot be understood" in said


def test_an_alias_that_contains_itself_ends_in_a_complaint(complaints):
    assert complaints("peers: &a [*a]\n") == ["config.yaml:1: peers[0] must hold keys"]


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"node: {ae_title: \xff}\n")
    with pytest.raises(ConfigError, match="it cannot be understood"):
        load(path)


def test_a_merge_key_may_be_overridden(written):
    text = (
        "peers:\n  - &ct {name: ct1, ae_title: CT, host: h, may: [store]}\n"
        "  - {<<: *ct, name: ct2}\n"
    )
    assert [peer.name for peer in load(written(text)).peers] == ["ct1", "ct2"]


def test_folders_are_relative_to_the_file(written, tmp_path):
    config = load(written("node: {data_dir: here}\nmodels: {dir: /there}\n"))
    assert config.node.data_dir == tmp_path / "here"
    assert config.models.dir == Path("/there")


def test_the_database_can_be_named_by_the_environment_and_is_never_shown(written, monkeypatch):
    path = written("database: {url: 'env:RADNODE_DATABASE_URL'}\n")
    monkeypatch.delenv("RADNODE_DATABASE_URL", raising=False)
    with pytest.raises(
        ConfigError, match="the environment variable RADNODE_DATABASE_URL is not set"
    ):
        load(path)
    monkeypatch.setenv("RADNODE_DATABASE_URL", "postgresql+psycopg://u:secret@h/d")
    config = load(path)
    assert config.database.url == "postgresql+psycopg://u:secret@h/d"
    assert "secret" not in repr(config)


def test_an_empty_file_is_all_defaults_and_nobody_may_call(written):
    config = load(written(""))
    assert config.node.port == 11112
    assert config.peers == ()


def test_a_loaded_configuration_does_not_change(written):
    config = load(written(PEER))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        config.peers[0].port = 105


def test_no_configuration_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.yaml and /etc/radnode/config\.yaml"):
        find(None)
    with pytest.raises(ConfigError, match=r"looked for other\.yaml"):
        find(Path("other.yaml"))
    (tmp_path / "config.yaml").touch()
    assert find(None) == Path("config.yaml")
