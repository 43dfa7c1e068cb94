"""Losses of an affect model: every way to join and to remember learns every target, and marks teach nothing."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from avfer.losses.label_losses import ccc_loss
from avfer.models.affect.temporal import Temporal
from avfer.training.objective import Objective
from avfer.training.data.sequence_batches import Batch
from avfer.training.training_config import LossConfig, Target

TARGETS: list[Target] = ["valence_arousal", "expression", "action_units"]
FUSIONS = ["concatenation", "gated", "cross_attention", "decision"]
TIMES = [
    *((time, False) for time in ("none", "gru", "lstm", "tcn", "transformer")),
    *((time, True) for time in ("gru", "lstm", "tcn", "transformer")),
]
LABELS = [("pair", -5.0), ("pair", float("nan")), ("expression", -1), ("units", -1.0), ("units", float("nan"))]


def batch(hidden: float = 0.0, seed: int = 0) -> Batch:
    """Four slow sequences: valence, two classes and a unit in the face, arousal and a unit in the voice."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, 4, 39, generator=random).unfold(2, 10, 1).mean(3)
    valence, arousal = (noise / noise.std() / 2.5).clamp(-1, 1)
    mix = torch.randn(2, 6, generator=torch.Generator().manual_seed(9))
    there = torch.ones(4, 30, dtype=torch.bool)
    known = torch.rand(4, 30, generator=random) >= hidden
    return Batch(
        face=valence[..., None] * mix[0] + 0.1 * torch.randn(4, 30, 6, generator=random),
        voice=arousal[..., None] * mix[1] + 0.1 * torch.randn(4, 30, 6, generator=random),
        sound=torch.zeros(4, 0, 96, 64),
        has_face=there,
        has_voice=there,
        times=torch.arange(30).expand(4, -1) * 0.04,
        valid=there,
        pair=torch.stack([valence, arousal], 2),
        pair_valid=torch.stack([known, known.roll(1, 1)], 2),
        expression=(valence > 0).long(),
        expression_valid=known.roll(2, 1),
        units=torch.stack([valence > 0.2, arousal > 0.2], 2).float(),
        units_valid=torch.stack([known.roll(3, 1), known.roll(4, 1)], 2),
    )


def objective(targets: list[Target] = TARGETS, loss: LossConfig | None = None, **options: Any) -> Objective:
    torch.manual_seed(0)
    told = {"num_face": 6, "num_voice": 6, "width": 16, "num_classes": 2, "num_action_units": 2, "dropout": 0.0}
    model = Temporal(**told | {"modality_dropout": 0.0} | options)
    return Objective(model, targets, loss or LossConfig(), torch.tensor([1.5, 2.0]))


def gradients(asked: Objective, given: Batch) -> dict[str, Tensor]:
    asked.zero_grad()
    asked(given).backward()
    return {name: p.grad.clone() for name, p in asked.named_parameters() if p.grad is not None}


def parts(some: Objective, given: Batch) -> dict[str, float]:
    """The loss of each target by itself."""
    with torch.no_grad():
        return {name: float(Objective(some.model, [name], some.loss, some.positive)(given)) for name in TARGETS}


@pytest.mark.parametrize(("fusion", "time"), list(itertools.product(FUSIONS, TIMES)), ids=str)
def test_each_loss_falls_whatever_the_fusion_and_the_network_over_time(fusion, time):
    name, centred = time
    some, given = objective(fusion=fusion, time=name, bidirectional=centred), batch()
    before = parts(some, given)
    optimiser = torch.optim.Adam(some.parameters(), 0.02)
    for _ in range(25):
        optimiser.zero_grad()
        some(given).backward()
        optimiser.step()
    after = parts(some, given)
    assert all(after[target] < 0.7 * before[target] for target in TARGETS), (before, after)


@pytest.mark.parametrize("over", ["joined", "sequences"])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize(("label", "mark"), LABELS)
def test_a_mark_of_any_target_changes_no_gradient(label, mark, balanced, over):
    some, clean = objective(loss=LossConfig(balanced=balanced, over=over)), batch(hidden=0.4)
    valid, values = getattr(clean, f"{label}_valid"), getattr(clean, label)
    marked = replace(clean, **{label: torch.where(valid, values, mark).to(values.dtype)})
    wanted, found = gradients(some, clean), gradients(some, marked)
    assert (~valid).any() and len(found) > 8
    assert all(torch.equal(grad, wanted[name]) for name, grad in found.items())


@pytest.mark.parametrize("missing", TARGETS)
def test_a_batch_without_a_label_of_one_target_teaches_the_others_alone(missing):
    label = {"valence_arousal": "pair"}.get(missing, missing.replace("action_units", "units"))
    given = batch()
    given = replace(given, **{f"{label}_valid": torch.zeros_like(getattr(given, f"{label}_valid"))})
    found = gradients(objective(), given)
    assert all(grad.isfinite().all() for grad in found.values())
    taught = {name.split(".")[-2] for name, grad in found.items() if ".heads." in name and grad.any()}
    assert taught == set(TARGETS) - {missing}


@pytest.mark.parametrize("chosen", [some for n in (1, 2, 3) for some in itertools.combinations(TARGETS, n)], ids=str)
def test_the_loss_is_the_weighted_sum_of_what_is_asked(chosen):
    loss = LossConfig(valence_arousal=2.0, expression=0.5, action_units=3.0)
    given = batch(hidden=0.3)
    plain = parts(objective(), given)
    wanted = sum(getattr(loss, name) * plain[name] for name in chosen)
    assert objective(list(chosen), loss)(given).item() == pytest.approx(wanted, rel=1e-5)


def scores(some: Objective, *missing: str) -> tuple[float, float]:
    """CCC of valence and arousal on sequences that were not learned from, perhaps without face or voice."""
    given = replace(batch(seed=77), **{f"has_{name}": torch.zeros(4, 30, dtype=torch.bool) for name in missing})
    with torch.no_grad():
        told = some.eval().predict(given)
    pair = zip(told.valence_arousal.unbind(2), given.pair.unbind(2), strict=True)
    valence, arousal = (1 - float(ccc_loss(x, y)) for x, y in pair)
    return valence, arousal


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_missing_face_or_voice_degrades_and_does_not_break(fusion):
    """What stands in the other stream is still read, as it was in training whenever one of the two was hidden."""
    some = objective(["valence_arousal"], fusion=fusion, modality_dropout=0.5)
    optimiser = torch.optim.Adam(some.parameters(), 0.02)
    for step in range(80):
        optimiser.zero_grad()
        some.train()(batch(seed=step)).backward()
        optimiser.step()
    whole, deaf, blind = scores(some), scores(some, "voice"), scores(some, "face")
    assert min(whole) > 0.8
    assert deaf[0] > 0.7 and deaf[1] < 0.3
    assert blind[1] > 0.7 and blind[0] < 0.3
    assert all(-1 <= score <= 1 for score in scores(some, "face", "voice")), "with neither it still tells numbers"
