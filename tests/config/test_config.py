"""Every complaint about the configuration names its key, its line, and what was meant."""

import pytest

from node.config import ConfigError, find, load


def complaints(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("node:\n  ae_titel: X\n", 2, "node.ae_titel: ae_titel is not a key; did you mean ae_title?"),
        ("nodes: {}\n", 1, "nodes is not a key; did you mean node?"),
        ("node:\n  port: 99999\n", 2, "less than or equal to 65535, not 99999"),
        ("node:\n  ae_title: 'A\\B'\n", 2, "1 to 16 characters, no backslash"),
        ("node:\n  ae_title: ABCDEFGHIJKLMNOPQ\n", 2, "1 to 16 characters"),
        ("node:\n  ae_title: 'R*'\n", 2, "our own AE title cannot be a pattern"),
        ("peers:\n  - name: a\n    host: h\n", 2, "peers[0].ae_title: ae_title is missing"),
        ("peers:\n  - {name: a, ae_title: A, host: h, hots: i}\n", 2, "did you mean host?"),
        ("peers:\n  - {name: a, ae_title: '*', host: h, port: 1}\n", 2, "needs its real AE title"),
        ("peers:\n  - {name: a, ae_title: A, host: h, commitment: true}\n", 2, "needs the peer's port"),
        (
            "peers:\n  - {name: a, ae_title: A, host: h}\n  - {name: a, ae_title: B, host: h}\n",
            3,
            "the name 'a' is used twice",
        ),
        (
            "routes:\n  - name: r\n    when:\n      Modallity: MR\n    model: m\n",
            4,
            "Modallity is no DICOM keyword; did you mean Modality?",
        ),
        (
            "peers:\n  - {name: pacs, ae_title: A, host: h, port: 1}\n"
            "routes:\n  - {name: r, when: {}, model: m, send_to: [pasc]}\n",
            4,
            "no peer with a port is called 'pasc'; did you mean pacs?",
        ),
        ("node: [\n", 2, "it is not YAML"),
        ("settling: {quiet_seconds: soon}\n", 1, "valid number"),
    ],
)
def test_a_complaint_names_key_and_line(tmp_path, text, line, words):
    (said,) = complaints(tmp_path, text)
    assert f"config.yaml:{line}:" in said
    assert words in said


def test_all_complaints_come_at_once(tmp_path):
    said = complaints(tmp_path, "node: {prot: 1}\npeer: []\nrouts: []\n")
    assert len(said) == 3


def test_folders_are_relative_to_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("node: {data_dir: here}\nmodels: {dir: /there}\n")
    config = load(path)
    assert config.node.data_dir == tmp_path / "here"
    assert str(config.models.dir) == "/there"


def test_the_database_can_be_named_by_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_text("database: {url: 'env:SECRET_URL'}\n")
    with pytest.raises(ConfigError, match="SECRET_URL is not set"):
        load(path)
    monkeypatch.setenv("SECRET_URL", "postgresql+psycopg://u:p@h/d")
    assert load(path).database.url == "postgresql+psycopg://u:p@h/d"


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("")
    assert load(path).node.port == 11112


def test_no_configuration_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"/etc/radnode/config\.yaml"):
        find(None)
