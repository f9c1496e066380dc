"""The conformance statement says what the code negotiates, and leaves nothing out."""

import re
from pathlib import Path
from typing import get_args

import pytest

from node.config import Config
from node.dicom import services, status
from node.rules import nouns
from node.rules.admitting import Rejection
from node.wire import conformance, scp, scu
from node.wire.conformance import attributes, communication, created
from node.wire.scu import Parcel
from tests.wire import sampling

STATEMENT = conformance.statement()
OUTLINE = [
    "## 1 Overview",
    "### 1.1 Content and Transfer",
    "#### 1.1.1 Structured Reporting Root Template IDs",
    "### 1.2 DIMSE Services",
    "### 1.3 DICOM Web Services",
    "### 1.4 Media Services",
    "### 1.5 Real-Time Video",
    "### 1.6 De-identification Profiles",
    "### 1.7 Specific Character Sets",
    "## 2 Table of Contents",
    "## 3 Introduction",
    "## 4 Implementation Model",
    "### 4.1 Application Entities and Data Flow",
    "## 5 Service and Interoperability Description",
    "### 5.1 Mapping of Services to Application Entities",
    "#### 5.2.5 Storage Service",
    "#### 5.2.6 Storage Commitment Service",
    "### 5.6 Cross-Service Considerations",
    "### 5.7 Specific Character Sets",
    "## 6 Configuration",
    "## 7 Network and Media Communication Details",
    "#### 7.1.1 General Association Parameters",
    "##### 7.2.1.3 Association Initiation",
    "##### 7.2.1.4 Association Acceptance",
    "### 7.3 Status Codes",
    "## 8 Security",
    "### 8.4 DICOM Security Profiles",
    "### 8.5 User Identity Negotiation",
    "## Annex A Information Object Definitions",
    "## Annex B Structured Report Content Encoding",
    "## Annex C Security Details",
    "## Annex D Mapping of Attributes",
    "## Annex E Code Set Usage",
]
"""Of the template in PS3.2 Annex N, what applies here or is not to be missed."""


def part(heading):
    """Give a section's own text, up to the next heading of any level."""
    found = re.split(rf"^#+ {re.escape(heading)}.*$", STATEMENT, maxsplit=1, flags=re.MULTILINE)[1]
    return re.split(r"^#+ ", found, maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading):
    """Give the rows of a section's tables, without their heads."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in part(heading).splitlines()
        if line.startswith("| ")
    ]
    return [row for at, row in enumerate(cells) if "---" not in row[0] and not _is_head(cells, at)]


def _is_head(cells, at):
    return at + 1 < len(cells) and "---" in cells[at + 1][0]


def test_it_is_organised_like_the_template():
    found = [line for line in STATEMENT.splitlines() if line.startswith("#")]
    places = [found.index(line) for line in OUTLINE]
    assert places == sorted(places)


def test_what_the_listener_accepts_is_all_in_it_and_nothing_else():
    accepted = {str(context.abstract_syntax): context for context in scp._contexts()}
    received = {uid for _, uid, *_, scp_role in rows("1.1 Content") if scp_role == "Y"}
    others = {
        "1.2.840.10008.1.1",  # Verification
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.3.1.2.3.3",  # Modality Performed Procedure Step
        "1.2.840.10008.5.1.4.33",  # Instance Availability Notification
    }
    assert received == set(accepted) - others
    said = part("7.2.1.4")
    assert all(uid in said for uid in others)
    syntaxes = [str(uid) for uid in accepted[services.SEGMENTATION].transfer_syntax]
    listed = [uid for _, uid in (row for row in rows("7.2.1.4") if len(row) == 2)]
    assert listed == syntaxes, "in the order of preference"


def test_what_we_propose_for_results_is_all_in_it():
    parcels = [
        Parcel(uid, "1.2.3", syntax, Path("a.dcm"))
        for uid in services.RESULT_CLASSES.values()
        for syntax in services.PROPOSED_SYNTAXES
    ]
    said = {uid: syntaxes for _, uid, syntaxes, _ in rows("7.2.1.3")}
    for context in scu._contexts(parcels):
        for syntax in context.transfer_syntax:
            assert syntax in said[context.abstract_syntax]
    sent = {uid for _, uid, _, scu_role, _ in rows("1.1 Content") if scu_role == "Y"}
    assert sent == set(services.RESULT_CLASSES.values())


def test_every_kind_of_result_that_is_sent_has_its_definition():
    kinds = set(re.findall(r"\b[A-Z][A-Z_]+\b", nouns.Result.__doc__)) - {"UID", "SOP", "PNG"}
    assert kinds - {"PREVIEW"} == set(created.CREATED) == set(services.RESULT_CLASSES)
    for kind, uid in services.RESULT_CLASSES.items():
        (heading,) = re.findall(rf"^### A\.\d+ .*: {kind}$", STATEMENT, re.MULTILINE)
        assert services.name(uid) in heading
        assert services.name(uid) != uid, "it has a name"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Sample objects of every kind."""
    return sampling.samples(tmp_path_factory.mktemp("samples"))


def test_the_attributes_of_every_kind_are_those_of_what_is_made(made):
    for kind, several in made.items():
        told = sampling.described([[ds] for ds in several])
        assert told == attributes.ATTRIBUTES[kind].split(), "run python -m tests.wire.sampling"
    assert set(made) == set(attributes.ATTRIBUTES)


def test_the_coding_schemes_are_those_that_are_written(made):
    assert {row[0] for row in rows("Annex E")} - {"as in the bundle"} == sampling.schemes(made)


@pytest.mark.parametrize("answer", [status.SUCCESS, 0xA700, 0xB000, 0xC123, 0x0122, 0x0110])
def test_what_we_do_after_an_answer_is_what_it_says(answer):
    said = {row[0]: row for row in rows("7.3.2")}
    code = f"{answer:04X}"
    row = next(said[k] for k in (code, f"{code[:2]}XX", f"{code[0]}XXX") if k in said)
    refusal = status.refusal(answer, "pacs")
    if refusal is None:
        assert "stored" in row[3]
    else:
        assert ("again later" in row[3]) is refusal.again


def test_every_reason_to_reject_is_in_it():
    assert set(communication._WHEN) == set(Rejection) == set(scp.REJECTIONS)


def test_the_configuration_that_it_names_is_there_with_these_defaults():
    named = re.findall(r"^\| `(\w+)(\[\])?\.(\w+)` \|.*\| (.*) \|$", STATEMENT, re.MULTILINE)
    assert len(named) > 20
    for section, is_list, key, default in named:
        annotation = Config.model_fields[section].annotation
        model = get_args(annotation)[0] if is_list else annotation
        value = model.model_fields[key].default
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            assert str(value) == default, key


def test_its_tables_are_whole():
    widths = set()
    for line in [*STATEMENT.splitlines(), ""]:
        if not line.startswith("|"):
            assert len(widths) <= 1, line
            widths = set()
        else:
            widths.add(len(re.findall(r"(?<!\\)\|", line)))
