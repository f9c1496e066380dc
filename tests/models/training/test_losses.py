"""Each part of the loss: nothing for what is right, something for what is not, and a way back."""

from pathlib import Path

import pytest
import torch

from models.losses import Loss, criterion
from models.losses.anatomy import anatomical_terms, read_table
from models.losses.neighbours import spread
from models.losses.options import AnatomyTerms

TABLE = Path(__file__).with_name("anatomy.yaml")
CLASSES = ("background", "organ", "other", "vessel", "finding")
ORGAN, OTHER, VESSEL, FINDING = 1, 2, 3, 4
NAMES = ("adjacency", "containment", "one_component", "volume", "cldice")


def term(name, spacing=(1.0, 1.0, 1.0)):
    options = AnatomyTerms(table=TABLE, spacing_mm=spacing, **{name: 1.0})
    return anatomical_terms(options, CLASSES)[name][1]


def right(dims):
    """Two organs apart, a vessel along an axis, a finding in the middle of the first organ."""
    label = torch.zeros([1, 1, *[20] * dims], dtype=torch.uint8)
    label[(0, 0, *[slice(2, 8)] * dims)] = ORGAN
    label[(0, 0, *[slice(4, 6)] * dims)] = FINDING
    label[(0, 0, *[slice(11, 17)] * dims)] = OTHER
    label[(0, 0, slice(None), *[slice(17, 20)] * (dims - 1))] = VESSEL
    return label


def touching(label):
    wrong = label.clone()
    wrong[(0, 0, slice(8, 11), *[slice(11, 17)] * (label.ndim - 3))] = ORGAN
    return wrong, ORGAN


def escaped(label):
    wrong = label.clone()
    wrong[(0, 0, slice(2, 6), *[slice(12, 14)] * (label.ndim - 3))] = FINDING
    return wrong, FINDING


def in_pieces(label):
    wrong = label.clone()
    wrong[(0, 0, slice(2, 5), *[slice(12, 15)] * (label.ndim - 3))] = ORGAN
    return wrong, ORGAN


def too_large(label):
    wrong = label.clone()
    wrong[wrong == 0] = ORGAN
    return wrong, ORGAN


def broken_vessel(label):
    wrong = label.clone()
    wrong[(0, 0, slice(6, 12), *[slice(17, 20)] * (label.ndim - 3))] = 0
    return wrong, 0


WRONG = dict(zip(NAMES, (touching, escaped, in_pieces, too_large, broken_vessel), strict=True))


def logits_of(label, sure=16.0):
    one_hot = torch.nn.functional.one_hot(label[:, 0].long(), len(CLASSES))
    return one_hot.movedim(-1, 1).float() * sure


def spacing(dims):
    return (1.0, 1.0, 1.0) if dims == 3 else (2.0, 2.0, 2.0)


@pytest.mark.parametrize("dims", [3, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_right_answer_costs_nothing(name, dims):
    label = right(dims)
    assert term(name, spacing(dims))(logits_of(label), label).item() == pytest.approx(0, abs=4e-3)


@pytest.mark.parametrize("dims", [3, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_violation_costs_something_and_its_gradient_leads_away_from_it(name, dims):
    label = right(dims)
    wrong, guilty = WRONG[name](label)
    judge = term(name, spacing(dims))
    logits = logits_of(wrong, sure=6.0).requires_grad_()

    before = judge(logits, label)
    before.backward()

    assert before.item() > 0.01 + judge(logits_of(label, sure=6.0), label).item()
    assert torch.isfinite(logits.grad).all()
    steps = logits.detach() - logits.grad / logits.grad.abs().max()
    assert judge(steps, label) < before
    changed = (wrong != label)[:, 0]
    assert logits.grad[:, guilty][changed].sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_costs_the_mean_of_its_images(name):
    label = right(3)
    wrong, _ = WRONG[name](label)
    judge = term(name)
    alone = [judge(logits_of(one), label) for one in (label, wrong)]
    both = judge(logits_of(torch.cat([label, wrong])), torch.cat([label, label]))
    assert both.item() == pytest.approx(sum(alone).item() / 2, abs=1e-5)


def test_a_crop_that_cuts_an_organ_in_two_may_have_both_pieces():
    label, _ = in_pieces(right(3))
    assert term("one_component")(logits_of(label), label).item() < 4e-3


def test_a_part_of_an_organ_may_be_smaller_than_the_whole():
    label = torch.zeros(1, 1, 12, 12, 12, dtype=torch.uint8)
    label[0, 0, 0:2, 4:6, 4:6] = ORGAN
    judge = term("volume")
    assert judge(logits_of(label), label).item() < 4e-3
    inside = label.roll(4, 2)
    assert judge(logits_of(inside), inside).item() > 0.1


def test_spreading_reaches_exactly_as_far_as_said():
    point = torch.zeros(1, 1, 9, 9, 9)
    point[0, 0, 4, 4, 4] = 1.0
    assert spread(point, 2).sum() == 5**3
    assert spread(point[..., 4], 1).sum() == 3**2


def test_the_parts_are_added_with_their_weights():
    label = right(3)
    anatomy = AnatomyTerms(table=TABLE, adjacency=0.5, cldice=2.0)
    logits = logits_of(touching(label)[0])

    total, parts = criterion("segmentation", CLASSES, Loss(anatomy=anatomy))(logits, label)

    assert list(parts) == ["dice_ce", "adjacency", "cldice"]
    wanted = parts["dice_ce"] + 0.5 * parts["adjacency"] + 2.0 * parts["cldice"]
    assert total.item() == pytest.approx(wanted.item())


def test_heads_of_deep_supervision_weigh_less_and_less():
    label = right(3)
    judge = criterion("segmentation", CLASSES, Loss())
    good, bad = logits_of(label), logits_of(touching(label)[0])
    total, _ = judge(torch.stack([good, bad], 1), label)
    assert total.item() == pytest.approx(
        (judge(good, label)[0] + judge(bad, label)[0] / 2).item() / 1.5
    )


def test_half_precision_is_judged_in_full():
    label = right(3)
    judge = criterion("segmentation", CLASSES, Loss())
    assert judge(logits_of(label).bfloat16(), label)[0].dtype == torch.float32


def test_classes_cost_cross_entropy():
    logits, label = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    total, parts = criterion("classification", ("a", "b", "c"), Loss())(logits, label)
    assert list(parts) == ["cross_entropy"]
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(logits, label))


def test_the_shelf_s_own_table_can_be_read():
    table = read_table(Path("models/configs/anatomy/ct_trunk.yaml"))
    assert [one.name for one in table.segments if one.tubular] == ["Aorta"]


def test_what_is_wrong_with_a_table_is_named(tmp_path):
    with pytest.raises(ValueError, match="the data have no class"):
        anatomical_terms(AnatomyTerms(table=TABLE, containment=1.0), CLASSES[:1])
    with pytest.raises(ValueError, match="spacing_mm"):
        anatomical_terms(AnatomyTerms(table=TABLE, volume=1.0), CLASSES)
    empty = tmp_path / "empty.yaml"
    empty.write_text("segments: []\nrelations: {}\n")
    for name in NAMES:
        terms = AnatomyTerms(table=empty, spacing_mm=(1.0, 1.0, 1.0), **{name: 1.0})
        with pytest.raises(ValueError, match="the table has no"):
            anatomical_terms(terms, CLASSES)
    empty.write_text("relations: {never_touches: []}\n")
    with pytest.raises(ValueError, match="never_touches"):
        read_table(empty)
    with pytest.raises(ValueError, match=r"gone\.yaml"):
        read_table(tmp_path / "gone.yaml")
