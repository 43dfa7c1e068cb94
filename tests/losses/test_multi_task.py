"""Three tasks at once, labels missing; expressions and action units that hold each other."""

import math

import pytest
import torch

from avfer.losses.label_losses import ccc_loss
from avfer.losses.coupling import co_annotation, distribution_matching, shares
from avfer.losses.label_losses import multi_task_losses
from avfer.losses.affect_labels import AffectLabels
from avfer.models.backbones.mt_vgg import ACTION_UNITS, AFF_WILD2
from avfer.models.prediction import Prediction

HEADS = ("valence_arousal", "expression_logits", "action_unit_logits")


def outputs() -> Prediction:
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 6, 2), (2, 6, 7), (2, 6, 8))
    tensors = [torch.randn(shape, generator=random).requires_grad_() for shape in shapes]
    return Prediction(**dict(zip(HEADS, tensors, strict=True)))


def labels(**missing: bool) -> AffectLabels:
    """Labels of the first half of the frames; the rest holds what must not be read."""
    random = torch.Generator().manual_seed(1)
    there = torch.arange(6).expand(2, 6) < 3
    pair = torch.where(there[..., None], torch.rand(2, 6, 2, generator=random), torch.nan)
    expression = torch.where(there, torch.randint(0, 7, (2, 6), generator=random), -1)
    units = torch.where(there[..., None], torch.randint(0, 2, (2, 6, 8), generator=random).float(), torch.nan)
    masks = {name: there & (not missing.get(name)) for name in ("pair", "expression", "units")}
    both, each = (masks[name][..., None].expand(2, 6, n) for name, n in (("pair", 2), ("units", 8)))
    return AffectLabels(pair, both, expression, masks["expression"], units, each)


def test_each_task_is_averaged_over_the_frames_that_have_its_label():
    told, wanted = outputs(), labels()
    found = multi_task_losses(told, wanted)
    pairs = zip(told.valence_arousal.unbind(2), wanted.valence_arousal[:, :3].unbind(-1), strict=True)
    pair = [ccc_loss(x[:, :3], y).item() for x, y in pairs]
    assert found.valence_arousal.item() == pytest.approx(sum(pair) / 2, rel=1e-5)
    logs = told.expression_logits.log_softmax(-1)[:, :3].gather(-1, wanted.expression[:, :3, None])
    assert found.expression.item() == pytest.approx(-logs.mean().item(), rel=1e-5)
    units, p = wanted.action_units[:, :3], told.action_unit_logits[:, :3].sigmoid()
    each = units * p.log() + (1 - units) * (1 - p).log()
    assert found.action_units.item() == pytest.approx(-each.mean().item(), rel=1e-5)
    assert found.total.item() == pytest.approx(sum(part.item() for part in found), rel=1e-6)


def test_frames_without_a_label_give_no_gradient():
    told = outputs()
    multi_task_losses(told, labels()).total.backward()
    for head in told.tensors().values():
        assert torch.isfinite(head.grad).all()
        assert not head.grad[:, 3:].any()
        assert head.grad[:, :3].any()


@pytest.mark.parametrize(
    ("task", "silent"),
    [("pair", HEADS[:1]), ("expression", HEADS[1:2]), ("units", HEADS[2:])],
)
def test_a_batch_without_labels_of_a_task_teaches_the_others_alone(task, silent):
    told = outputs()
    found = multi_task_losses(told, labels(**{task: True}))
    found.total.backward()
    assert torch.isfinite(found.total)
    assert sum(part == 0 for part in found) == 1
    for name in HEADS:
        assert (name not in silent) == bool(getattr(told, name).grad.any())


def test_units_of_a_class_stand_in_its_row():
    table = shares(AFF_WILD2, ACTION_UNITS)
    assert table.shape == (7, 8)
    happy = dict(zip(ACTION_UNITS, table[AFF_WILD2.index("happiness")].tolist(), strict=True))
    assert {unit: round(share, 2) for unit, share in happy.items() if share} == {"AU06": 0.51, "AU12": 1, "AU25": 1}
    assert not table[AFF_WILD2.index("neutral")].any()
    with pytest.raises(ValueError, match="no action units are known of contempt, other; only of neutral"):
        shares([*AFF_WILD2, "other", "contempt"], ACTION_UNITS)


def test_a_labelled_expression_raises_its_units_and_no_others():
    table = shares(AFF_WILD2, ACTION_UNITS)
    logits = torch.zeros(4, 8, requires_grad=True)
    happy, neutral = AFF_WILD2.index("happiness"), AFF_WILD2.index("neutral")
    expression = torch.tensor([happy, neutral, -1, happy])
    loss = co_annotation(logits, expression, table, torch.tensor([True, True, False, False]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    risen = [unit for unit, slope in zip(ACTION_UNITS, logits.grad[0].tolist(), strict=True) if slope < 0]
    assert risen == ["AU06", "AU12", "AU25"]
    assert not logits.grad[1:].any()
    assert co_annotation(logits, expression, table, torch.zeros(4, dtype=torch.bool)) == 0


def test_heads_that_agree_cost_nothing():
    table = torch.tensor([[0.9, 0.2, 0.0], [0.3, 0.6, 0.0]])
    logits = torch.tensor([[0.4, -0.4]])
    q = logits.softmax(1) @ table[:, :2]
    units = torch.cat([q.logit(), torch.tensor([[9.0]])], 1)  # of the last unit nothing is known
    assert distribution_matching(logits, units, table).item() == pytest.approx(0, abs=1e-6)
    assert distribution_matching(logits, -units, table) > 0.1


def test_heads_that_disagree_cost_their_divergence():
    """p = 1/2 of a unit that half of the faces of two equally likely classes would show with 0.2 and 0.6: q = 0.4."""
    table = torch.tensor([[0.2], [0.6]])
    found = distribution_matching(torch.zeros(1, 2), torch.zeros(1, 1), table)
    assert found.item() == pytest.approx(0.5 * math.log(0.5 / 0.4) + 0.5 * math.log(0.5 / 0.6), rel=1e-4)


def test_a_coupled_unit_costs_by_its_share():
    """-(1 log 1/2 + 0.25 log 1/4) / 1.25, of two units that are held for as likely as 1/2 and 1/4."""
    table = torch.tensor([[1.0, 0.25, 0.0]])
    logits = torch.tensor([[0.0, math.log(1 / 3), 9.0]])
    found = co_annotation(logits, torch.tensor([0]), table)
    assert found.item() == pytest.approx((math.log(2) + 0.25 * math.log(4)) / 1.25, rel=1e-5)


def test_each_head_is_drawn_to_what_the_other_says():
    table = shares(AFF_WILD2, ACTION_UNITS)
    happy = torch.full((1, 7), -8.0)
    happy[0, AFF_WILD2.index("happiness")] = 8.0
    expression, units = happy.clone().requires_grad_(), torch.zeros(1, 8, requires_grad=True)
    distribution_matching(expression, units, table).backward()
    assert units.grad[0, ACTION_UNITS.index("AU12")] < 0 < units.grad[0, ACTION_UNITS.index("AU04")]
    smiling = torch.where(shares(["happiness"], ACTION_UNITS) > 0, 3.0, -3.0)
    unsure = torch.zeros(1, 7, requires_grad=True)
    distribution_matching(unsure, smiling, table).backward()
    assert unsure.grad.argmin().item() == AFF_WILD2.index("happiness")


@pytest.mark.parametrize("size", [60.0, 1e4])
def test_matching_is_finite_for_sure_heads(size):
    table = shares(AFF_WILD2, ACTION_UNITS)
    expression = (torch.eye(7) * size).requires_grad_()
    units = torch.full((7, 8), -size, requires_grad=True)
    loss = distribution_matching(expression, units, table)
    loss.backward()
    assert torch.isfinite(loss) and loss > 0.5
    assert torch.isfinite(expression.grad).all() and torch.isfinite(units.grad).all()


def test_no_unit_in_common_costs_nothing():
    assert distribution_matching(torch.zeros(2, 1), torch.zeros(2, 2), shares(["fear"], ["AU45", "AU12"])) == 0
