"""Fear: a model is shown what it was not made for, and nobody says so."""

import pytest

from node.rules.nouns import Code, InputRequirement, Segment
from node.rules.scoping import Extent, contradiction, implausible, out_of_scope, requirement
from node.rules.wishes import RouteInputs

HEAD = Extent("axial", {"LR": 220.0, "AP": 240.0, "HF": 160.0})


@pytest.mark.parametrize("by_bundle", [True, False])
@pytest.mark.parametrize("by_route", [True, False])
def test_a_leaning_stack_is_read_if_bundle_and_route_allow_it(by_bundle, by_route):
    bundle = InputRequirement(("CT",), tilted=by_bundle)
    wanted = requirement(bundle, RouteInputs(tilted=by_route))
    assert wanted.tilted == (by_bundle and by_route)


@pytest.mark.parametrize(("allowed", "wished", "filled"), [(3, None, 3), (3, 1, 1), (1, 5, 1)])
def test_a_route_is_never_laxer_about_missing_slices(allowed, wished, filled):
    bundle = InputRequirement(("CT",), missing_slices=allowed)
    assert requirement(bundle, RouteInputs(missing_slices=wished)).missing_slices == filled


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, []),
        ({"planes": ("axial", "coronal")}, []),
        ({"planes": ("sagittal",)}, ["slices are axial", "for sagittal ones"]),
        ({"extent_mm": {"HF": (150, 400)}}, []),
        ({"extent_mm": {"HF": (180, 400)}}, ["160 mm from head to feet", "180 to 400 mm"]),
        ({"extent_mm": {"LR": (0, 100)}}, ["220 mm from left to right"]),
        ({"extent_mm": {"AP": (0, 100)}, "planes": ("coronal",)}, ["axial", "front to back"]),
    ],
)
def test_what_is_not_as_the_bundle_wants_is_said(wish, said):
    found = "; ".join(out_of_scope(InputRequirement(("MR",), **wish), HEAD))
    assert bool(found) == bool(said)
    assert all(one in found for one in said), found


@pytest.mark.parametrize(
    ("modality", "share", "contradicts"),
    [
        ("CT", 0.0, False),
        ("CT", 0.6, False),
        ("CT", 0.8, True),
        ("CT", 1.0, True),
        ("MR", 1.0, False),
        ("MR", 0.4, False),
        ("MR", 0.2, True),
        ("PT", 1.0, False),
        ("US", 0.0, False),
    ],
)
def test_grey_values_contradict_a_header_only_when_nearly_all_votes_do(
    modality, share, contradicts
):
    assert bool(contradiction(modality, share)) == contradicts


CODE = Code("1", "SCT", "Thing")
BRAIN = Segment(1, "Brain", CODE, CODE, (1, 2, 3), expected_ml=(300.0, 2500.0))
ANY = Segment(2, "Lesion", CODE, CODE, (1, 2, 3))


@pytest.mark.parametrize(
    ("ml", "said"),
    [
        (1400.0, []),
        (300.0, []),
        (2500.0, []),
        (0.0, ["0 mL of Brain were found, and 300 to 2500 mL are plausible"]),
        (4100.4, ["4100 mL of Brain were found, and 300 to 2500 mL are plausible"]),
    ],
)
def test_more_or_less_than_anybody_has_is_not_believed(ml, said):
    assert implausible([BRAIN, ANY], {"Brain": ml, "Lesion": 0.0}) == said


def test_a_route_is_never_laxer_about_sections_that_are_spaced_differently():
    bundle = InputRequirement(("CT",), variable_spacing=True)
    assert requirement(bundle, RouteInputs()).variable_spacing
    assert not requirement(bundle, RouteInputs(variable_spacing=False)).variable_spacing
    assert not requirement(InputRequirement(("CT",)), RouteInputs()).variable_spacing
