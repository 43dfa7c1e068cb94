"""Losses of labels: values worked out by hand, and labels that are missing and never reach a gradient."""

import math

import numpy as np
import pytest
import torch

from avfer.losses.affect_labels import AffectLabels
from avfer.losses.label_losses import (
    action_unit_loss,
    ccc_loss,
    class_weights,
    expression_loss,
    mean_square_loss,
    multi_task_losses,
    occurrence_weights,
    votes_loss,
)
from avfer.metrics import ccc
from avfer.models.prediction import Prediction

HEADS = ("valence_arousal", "expression_logits", "action_unit_logits")


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_ccc_loss_is_one_minus_the_metric(random):
    x, y = (torch.randn(3, 50, generator=random).clamp(-1, 1) for _ in range(2))
    joined = 1 - ccc(x.reshape(-1).numpy(), y.reshape(-1).numpy())
    by_sequence = np.mean([1 - ccc(a.numpy(), b.numpy()) for a, b in zip(x, y, strict=True)])
    assert ccc_loss(x, y).item() == pytest.approx(joined, abs=1e-5)
    assert ccc_loss(x, y, over="sequences").item() == pytest.approx(by_sequence, abs=1e-5)


@pytest.mark.parametrize(("y", "loss"), [(lambda x: x, 0.0), (lambda x: -x, 2.0), (lambda x: torch.zeros_like(x), 1.0)])
def test_equal_opposite_and_constant_predictions_cost_0_2_and_1(random, y, loss):
    x = torch.randn(1, 400, generator=random)
    x -= x.mean()
    assert ccc_loss(y(x), x).item() == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("shift", [0.01, 0.5, 3.0])
def test_a_shifted_prediction_costs_by_the_shift(random, shift):
    x = torch.randn(1, 400, generator=random)
    variance = x.var(correction=0).item()
    expected = 1 - 2 * variance / (2 * variance + shift**2)
    assert ccc_loss(x + shift, x).item() == pytest.approx(expected, abs=1e-5)


def test_the_ccc_loss_of_two_sequences_falls():
    """By sequence each needs its own level; joined, the loss needs both at once."""
    torch.manual_seed(0)
    target = torch.stack([torch.linspace(-0.8, 0.2, 40).sin(), torch.linspace(3, 0, 40).cos()])
    for over in ("joined", "sequences"):
        gru, out, losses = torch.nn.GRU(3, 8, batch_first=True), torch.nn.Linear(8, 1), list[float]()
        x = torch.stack([target, target.roll(3, 1), torch.rand(2, 40)], 2)
        optimiser = torch.optim.Adam([*gru.parameters(), *out.parameters()], 0.02)
        for _ in range(60):
            loss = ccc_loss(out(gru(x)[0])[..., 0], target, over=over)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[0] > 0.7 and losses[-1] < 0.1


@pytest.mark.parametrize("over", ["joined", "sequences"])
@pytest.mark.parametrize("sentinel", [-5.0, float("nan")])
def test_a_sentinel_changes_neither_the_loss_nor_a_gradient(random, over, sentinel):
    prediction, target = (torch.randn(2, 30, generator=random) for _ in range(2))
    valid = torch.rand(2, 30, generator=random) < 0.6
    found = []
    for hidden in (0.0, sentinel):
        x = prediction.clone().requires_grad_()
        loss = ccc_loss(x, torch.where(valid, target, hidden), valid, over)
        loss.backward()
        found.append((loss.detach(), x.grad))
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])
    assert (found[1][1][~valid] == 0).all() and (found[1][1][valid] != 0).any()


@pytest.mark.parametrize("over", ["joined", "sequences"])
def test_constant_and_missing_labels_give_finite_gradients(over):
    for valid in (torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)):
        x = torch.full((2, 5), 0.3, requires_grad=True)
        ccc_loss(x, torch.full((2, 5), 0.3), valid, over).backward()
        assert torch.isfinite(x.grad).all()


def test_label_smoothing_follows_its_formula(random):
    logits, target = torch.randn(4, 5, generator=random), torch.tensor([0, 3, 1, 4])
    q = torch.full((4, 5), 0.1 / 5)
    q[torch.arange(4), target] += 0.9
    expected = -(q * logits.log_softmax(1)).sum(1)
    assert expression_loss(logits, target, smoothing=0.1).item() == pytest.approx(expected.mean().item(), rel=1e-5)
    valid = torch.tensor([True, False, True, False])
    masked = expression_loss(logits, torch.where(valid, target, -1), valid, 0.1)
    assert masked.item() == pytest.approx(expected[valid].mean().item(), rel=1e-5)
    assert expression_loss(logits, target, torch.zeros(4, dtype=torch.bool)).item() == 0


def test_the_loss_of_votes_is_0_at_the_shares_of_the_votes():
    votes = torch.tensor([[8.0, 2.0, 0.0], [1.0, 0.0, 9.0], [0.0, 0.0, 0.0]])
    logits = (votes / votes.sum(1, keepdim=True).clamp(min=1)).clamp(min=1e-30).log()
    assert votes_loss(logits, votes).item() == pytest.approx(0, abs=1e-6)
    even = votes_loss(torch.zeros(3, 3), votes).item()
    entropy = [-sum(p * math.log(p) for p in row if p) for row in ([0.8, 0.2], [0.1, 0.9])]
    assert even == pytest.approx(math.log(3) - np.mean(entropy), rel=1e-5)


def test_the_squared_error_is_the_mean_over_valid_entries():
    x, y = torch.tensor([[0.5, 0.0], [-1.0, 0.2]]), torch.tensor([[0.0, 0.0], [1.0, -5.0]])
    assert mean_square_loss(x, y, y > -5).item() == pytest.approx((0.25 + 0 + 4) / 3)
    assert mean_square_loss(x, x) == 0


def test_action_units_that_are_not_valid_have_no_gradient(random):
    logits = torch.randn(5, 3, generator=random).requires_grad_()
    target = torch.tensor([[1.0, 0, -1], [0, -1, 1], [0, 0, 0], [1, 1, 0], [-1, -1, -1]])
    valid = target >= 0
    action_unit_loss(logits, target, valid).backward()
    assert (logits.grad[~valid] == 0).all() and (logits.grad[valid] != 0).all()
    p = logits.detach().sigmoid()
    expected = -(target * p.log() + (1 - target) * (1 - p).log())[valid].mean()
    assert action_unit_loss(logits, target, valid).item() == pytest.approx(expected.item(), rel=1e-5)


def test_occurrences_of_rare_action_units_weigh_more():
    target = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, -1]])
    assert occurrence_weights(target, target >= 0).tolist() == pytest.approx([3.0, 1.0, 0.5])
    assert occurrence_weights(torch.eye(100)[:, :1], torch.ones(100, 1, dtype=torch.bool)).item() == 20
    weighted = action_unit_loss(torch.zeros(4, 3), target, target >= 0, occurrence_weights(target, target >= 0))
    assert weighted.item() == pytest.approx(math.log(2) * (3 + 3 + 4 + 0.5 * 2 + 1) / 11, rel=1e-5)


def prediction() -> Prediction:
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 6, 2), (2, 6, 7), (2, 6, 8))
    tensors = [torch.randn(shape, generator=random).requires_grad_() for shape in shapes]
    return Prediction(**dict(zip(HEADS, tensors, strict=True)))


def labels(**missing: bool) -> AffectLabels:
    """Labels of the first half of the frames; the rest holds NaN and -1. missing: tasks without any label."""
    random = torch.Generator().manual_seed(1)
    valid = torch.arange(6).expand(2, 6) < 3
    values = torch.where(valid[..., None], torch.rand(2, 6, 2, generator=random), torch.nan)
    expression = torch.where(valid, torch.randint(0, 7, (2, 6), generator=random), -1)
    units = torch.where(valid[..., None], torch.randint(0, 2, (2, 6, 8), generator=random).float(), torch.nan)
    masks = {name: valid & (not missing.get(name)) for name in ("valence_arousal", "expression", "action_units")}
    return AffectLabels(
        valence_arousal=values,
        valence_arousal_valid=masks["valence_arousal"][..., None].expand(2, 6, 2),
        expression=expression,
        expression_valid=masks["expression"],
        votes=torch.zeros(2, 6, 7),
        action_units=units,
        action_units_valid=masks["action_units"][..., None].expand(2, 6, 8),
    )


def test_each_task_is_averaged_over_the_frames_with_its_label():
    outputs, targets = prediction(), labels()
    found = multi_task_losses(outputs, targets)
    dimensions = zip(outputs.valence_arousal.unbind(2), targets.valence_arousal[:, :3].unbind(-1), strict=True)
    losses = [ccc_loss(x[:, :3], y).item() for x, y in dimensions]
    assert found.valence_arousal.item() == pytest.approx(sum(losses) / 2, rel=1e-5)
    logs = outputs.expression_logits.log_softmax(-1)[:, :3].gather(-1, targets.expression[:, :3, None])
    assert found.expression.item() == pytest.approx(-logs.mean().item(), rel=1e-5)
    units, p = targets.action_units[:, :3], outputs.action_unit_logits[:, :3].sigmoid()
    entropy = units * p.log() + (1 - units) * (1 - p).log()
    assert found.action_units.item() == pytest.approx(-entropy.mean().item(), rel=1e-5)


def test_frames_without_a_label_have_no_gradient():
    outputs = prediction()
    sum(multi_task_losses(outputs, labels())).backward()
    for head in (getattr(outputs, name) for name in HEADS):
        assert torch.isfinite(head.grad).all()
        assert not head.grad[:, 3:].any()
        assert head.grad[:, :3].any()


@pytest.mark.parametrize(
    ("task", "untrained"),
    [("valence_arousal", HEADS[:1]), ("expression", HEADS[1:2]), ("action_units", HEADS[2:])],
)
def test_a_batch_without_labels_of_a_task_trains_the_other_heads_only(task, untrained):
    outputs = prediction()
    found = multi_task_losses(outputs, labels(**{task: True}))
    total = sum(found)
    total.backward()
    assert torch.isfinite(total)
    assert sum(part == 0 for part in found) == 1
    for name in HEADS:
        assert (name not in untrained) == bool(getattr(outputs, name).grad.any())


def test_a_model_without_a_head_has_no_loss_of_its_task():
    outputs = Prediction(expression_logits=torch.zeros(2, 6, 7))
    found = multi_task_losses(outputs, labels())
    assert found.valence_arousal is None and found.action_units is None and found.expression is not None


def test_class_weights_are_the_published_ones():
    weights = class_weights([74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750])
    assert weights.tolist() == pytest.approx([1.8, 1.0, 5.28, 9.54, 21.08, 35.34, 5.4, 35.85], abs=0.01)
