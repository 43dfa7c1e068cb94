"""The loss of a model over time: it falls for every fusion and network, and labels that are not valid do not count."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from avfer.losses.affect_labels import AffectLabels
from avfer.losses.label_losses import ccc_loss
from avfer.models.affect.temporal import Temporal
from avfer.training.data.sequence_batches import SequenceBatch
from avfer.training.sequences.sequence_objective import SequenceObjective
from avfer.training.training_config import LossConfig, Target

TARGETS: list[Target] = ["valence_arousal", "expression", "action_units"]
FUSIONS = ["concatenation", "gated", "cross_attention", "decision"]
TIMES = [
    *((time, False) for time in ("none", "gru", "lstm", "tcn", "transformer")),
    *((time, True) for time in ("gru", "lstm", "tcn", "transformer")),
]
NAN = float("nan")
SENTINELS = [
    *(("valence_arousal", value) for value in (-5.0, NAN)),
    ("expression", -1),
    *(("action_units", value) for value in (-1.0, NAN)),
]


def make_batch(hidden: float = 0.0, seed: int = 0) -> SequenceBatch:
    """Return four slow sequences with a share of hidden labels.

    Valence, two classes and an action unit are in the face, arousal and an action unit in the voice.
    """
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, 4, 39, generator=random).unfold(2, 10, 1).mean(3)
    valence, arousal = (noise / noise.std() / 2.5).clamp(-1, 1)
    mix = torch.randn(2, 6, generator=torch.Generator().manual_seed(9))
    ones = torch.ones(4, 30, dtype=torch.bool)
    labelled = torch.rand(4, 30, generator=random) >= hidden
    return SequenceBatch(
        face=valence[..., None] * mix[0] + 0.1 * torch.randn(4, 30, 6, generator=random),
        voice=arousal[..., None] * mix[1] + 0.1 * torch.randn(4, 30, 6, generator=random),
        patches=torch.zeros(4, 0, 96, 64),
        has_face=ones,
        has_voice=ones,
        times=torch.arange(30).expand(4, -1) * 0.04,
        valid=ones,
        labels=AffectLabels(
            valence_arousal=torch.stack([valence, arousal], 2),
            valence_arousal_valid=torch.stack([labelled, labelled.roll(1, 1)], 2),
            expression=(valence > 0).long(),
            expression_valid=labelled.roll(2, 1),
            votes=torch.zeros(4, 30, 2),
            action_units=torch.stack([valence > 0.2, arousal > 0.2], 2).float(),
            action_units_valid=torch.stack([labelled.roll(3, 1), labelled.roll(4, 1)], 2),
        ),
    )


def with_labels(batch: SequenceBatch, **changes: Tensor) -> SequenceBatch:
    return replace(batch, labels=replace(batch.labels, **changes))


def make_objective(
    targets: list[Target] = TARGETS, loss: LossConfig | None = None, **options: Any
) -> SequenceObjective:
    torch.manual_seed(0)
    defaults = {"num_face": 6, "num_voice": 6, "width": 16, "num_classes": 2, "num_action_units": 2, "dropout": 0.0}
    model = Temporal(**defaults | {"modality_dropout": 0.0} | options)
    return SequenceObjective(model, targets, loss or LossConfig(), torch.tensor([1.5, 2.0]))


def gradients(objective: SequenceObjective, batch: SequenceBatch) -> dict[str, Tensor]:
    objective.zero_grad()
    objective(batch).backward()
    return {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}


def target_losses(objective: SequenceObjective, batch: SequenceBatch) -> dict[str, float]:
    """Return the loss of each target by itself."""
    model, loss, positive = objective.model, objective.loss, objective.positive
    with torch.no_grad():
        return {name: float(SequenceObjective(model, [name], loss, positive)(batch)) for name in TARGETS}


@pytest.mark.parametrize(("fusion", "time"), list(itertools.product(FUSIONS, TIMES)), ids=str)
def test_each_loss_falls_for_every_fusion_and_network_over_time(fusion, time):
    name, bidirectional = time
    objective, batch = make_objective(fusion=fusion, time=name, bidirectional=bidirectional), make_batch()
    before = target_losses(objective, batch)
    optimiser = torch.optim.Adam(objective.parameters(), 0.02)
    for _ in range(25):
        optimiser.zero_grad()
        objective(batch).backward()
        optimiser.step()
    after = target_losses(objective, batch)
    assert all(after[target] < 0.7 * before[target] for target in TARGETS), (before, after)


@pytest.mark.parametrize("over", ["joined", "sequences"])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize(("label", "sentinel"), SENTINELS)
def test_a_sentinel_of_any_target_changes_no_gradient(label, sentinel, balanced, over):
    objective, clean = make_objective(loss=LossConfig(balanced=balanced, over=over)), make_batch(hidden=0.4)
    valid, values = getattr(clean.labels, f"{label}_valid"), getattr(clean.labels, label)
    changed = with_labels(clean, **{label: torch.where(valid, values, sentinel).to(values.dtype)})
    expected, found = gradients(objective, clean), gradients(objective, changed)
    assert (~valid).any() and len(found) > 8
    assert all(torch.equal(grad, expected[name]) for name, grad in found.items())


@pytest.mark.parametrize("missing", TARGETS)
def test_a_batch_without_labels_of_a_target_trains_the_other_heads_only(missing):
    batch, name = make_batch(), f"{missing}_valid"
    batch = with_labels(batch, **{name: torch.zeros_like(getattr(batch.labels, name))})
    found = gradients(make_objective(), batch)
    assert all(grad.isfinite().all() for grad in found.values())
    trained = {name.split(".")[-2] for name, grad in found.items() if ".heads." in name and grad.any()}
    assert trained == set(TARGETS) - {missing}


@pytest.mark.parametrize("chosen", [some for n in (1, 2, 3) for some in itertools.combinations(TARGETS, n)], ids=str)
def test_the_loss_is_the_weighted_sum_over_the_targets(chosen):
    loss = LossConfig(valence_arousal=2.0, expression=0.5, action_units=3.0)
    batch = make_batch(hidden=0.3)
    unweighted = target_losses(make_objective(), batch)
    expected = sum(getattr(loss, name) * unweighted[name] for name in chosen)
    assert make_objective(list(chosen), loss)(batch).item() == pytest.approx(expected, rel=1e-5)


def test_a_target_without_a_head_is_not_needed():
    objective = make_objective(["expression"], valence_arousal="none", num_action_units=0)
    assert objective(make_batch()).isfinite()


def scores(objective: SequenceObjective, *missing: str) -> tuple[float, float]:
    """Return the CCC of valence and arousal on new sequences, without the missing modalities."""
    masks = {f"has_{name}": torch.zeros(4, 30, dtype=torch.bool) for name in missing}
    batch = replace(make_batch(seed=77), **masks)
    with torch.no_grad():
        values = objective.eval().predict(batch).valence_arousal
    dimensions = zip(values.unbind(2), batch.labels.valence_arousal.unbind(2), strict=True)
    valence, arousal = (1 - float(ccc_loss(x, y)) for x, y in dimensions)
    return valence, arousal


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_missing_face_or_voice_degrades_the_scores_gracefully(fusion):
    """The other modality is still used, as in training whenever one of the two was dropped."""
    objective = make_objective(["valence_arousal"], fusion=fusion, modality_dropout=0.5)
    optimiser = torch.optim.Adam(objective.parameters(), 0.02)
    for step in range(80):
        optimiser.zero_grad()
        objective.train()(make_batch(seed=step)).backward()
        optimiser.step()
    both, face_only, voice_only = scores(objective), scores(objective, "voice"), scores(objective, "face")
    assert min(both) > 0.8
    assert face_only[0] > 0.7 and face_only[1] < 0.3
    assert voice_only[1] > 0.7 and voice_only[0] < 0.3
    assert all(-1 <= score <= 1 for score in scores(objective, "face", "voice")), "without both it still predicts"
