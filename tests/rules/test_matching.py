"""Which route takes a series, and why the others do not."""

import pytest

from node.rules.matching import choose, unfit
from node.rules.nouns import InputRequirement, Route

T1 = {
    "Modality": "MR",
    "SeriesDescription": "Sag T1 mprage",
    "EchoTime": 3.2,
    "ImageType": ("ORIGINAL", "PRIMARY"),
}


def route(name, **when):
    return Route(name, when, "brain_mask", ("pacs",))


def test_the_first_route_that_matches_wins_and_the_others_say_why_not():
    routes = [
        route("ct", Modality="CT"),
        route("brain", Modality="MR", SeriesDescription="*T1*"),
        route("any", Modality="MR"),
    ]
    chosen, decisions = choose(T1, routes)
    assert chosen is routes[1]
    assert [d.chosen for d in decisions] == [False, True, False]
    assert decisions[0].reason == "Modality is MR, not CT"
    assert "comes first" in decisions[2].reason


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({"SeriesDescription": "*t1*"}, True),
        ({"SeriesDescription": ["*T2*", "*T1*"]}, True),
        ({"SeriesDescription": "T1"}, False),
        ({"EchoTime": "<10"}, True),
        ({"EchoTime": "<= 3.2"}, True),
        ({"EchoTime": ">3.2"}, False),
        ({"EchoTime": 3.2}, True),
        ({"ImageType": "PRIMARY"}, True),
        ({"ImageType": "DERIVED"}, False),
        ({"BodyPartExamined": "*"}, False),
        ({"SeriesDescription": ">5"}, False),
        ({}, True),
    ],
)
def test_conditions_mean_what_they_say(when, matches):
    chosen, _ = choose(T1, [route("one", **when)])
    assert (chosen is not None) is matches


def test_own_results_match_no_route_whatever_it_says():
    chosen, decisions = choose({**T1, "ManufacturerModelName": "radnode"}, [route("all")])
    assert chosen is None
    assert "own results" in decisions[0].reason


def test_what_the_ledger_knows_as_ours_matches_no_route_either():
    chosen, decisions = choose(T1, [route("all")], ours=True)
    assert chosen is None
    assert "own results" in decisions[0].reason


def test_every_unmet_condition_is_named():
    _, decisions = choose(T1, [route("x", Modality="CT", BodyPartExamined="CHEST")])
    assert decisions[0].reason == "Modality is MR, not CT; BodyPartExamined is absent, not CHEST"


def test_a_bundle_says_what_it_does_not_accept():
    wants = InputRequirement(("MR",), ("BRAIN", "HEAD"))
    assert unfit({"Modality": "CT"}, wants) == "its Modality is CT, and the model reads MR"
    assert "absent" in unfit({"Modality": "MR"}, wants)
    assert unfit({"Modality": "MR", "BodyPartExamined": "Head"}, wants) == ""
    assert unfit({"Modality": "MR"}, InputRequirement(("MR",), ("BRAIN", ""))) == ""
