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
from avfer.training.sequences import sequence_objective
from avfer.training.sequences.sequence_model import EndToEndNetwork
from avfer.training.sequences.sequence_objective import SequenceObjective
from avfer.training.training_config import LossConfig, Target
from tests.training import toy_recordings as toy

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
    model, loss, pos_weight = objective.model, objective.loss, objective.pos_weight
    with torch.no_grad():
        return {name: float(SequenceObjective(model, [name], loss, pos_weight)(batch)) for name in TARGETS}


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


@pytest.mark.parametrize("options", [{"time": "tcn", "layers": 2}, {"time": "tcn", "bidirectional": True}])
def test_a_recording_that_is_read_in_blocks_has_the_values_of_the_whole(monkeypatch, options):
    objective, recording = make_objective(**options).eval(), toy.recording(0, length=90)
    found = []
    for block in (1000, 25):
        monkeypatch.setattr(sequence_objective, "BLOCK", block)
        with torch.no_grad():
            found.append(objective.predict_recording(recording, torch.device("cpu")).valence_arousal)
    assert found[0].shape == (1, 90, 2) and found[0].std() > 1e-3
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


class Doubling(EndToEndNetwork):
    """A network whose features of a patch are its first two numbers, and those of a face the pixel at (1, 0)."""

    num_face, num_voice = 3, 2

    @property
    def over_time(self):
        raise AssertionError("only features are computed here")

    def face_features(self, crops: Tensor) -> Tensor:
        assert len(crops) > 1, "norms over a batch cannot be trained on one face"
        return crops[:, :, 0, 1].float()

    def voice_features(self, patches: Tensor) -> Tensor:
        return patches[:, 0, 0, :2]


def encoded(face: Tensor, has_face: Tensor, patches: Tensor, positions: Tensor) -> SequenceBatch:
    """Return a batch with features in place of crops (1, T, S, S, 3), and of patches (1, K, 96, 64)."""
    some = make_batch()
    batch = replace(some, face=face, has_face=has_face, patches=patches, voice=positions)
    return SequenceObjective(Doubling(), TARGETS, LossConfig(), torch.ones(0)).encode(batch)


def test_the_voice_is_interpolated_between_patches_and_kept_after_the_last():
    patches = torch.zeros(1, 3, 96, 64)
    patches[0, :, 0, 0], patches[0, :, 0, 1] = torch.tensor([10.0, 20, 40]), torch.tensor([1.0, 1, 5])
    positions, no_face = torch.tensor([0.0, 0.25, 1.0, 1.5, 2.0])[None, :, None], torch.zeros(1, 5, dtype=torch.bool)
    batch = encoded(torch.zeros(1, 5, 4, 4, 3, dtype=torch.uint8), no_face, patches, positions)
    assert batch.voice[0].tolist() == [[10, 1], [12.5, 1], [20, 1], [30, 3], [40, 5]]
    assert batch.face.shape == (1, 5, 3) and not batch.face.any()


def test_features_of_faces_stay_at_their_steps_also_of_a_single_one():
    crops = torch.zeros(1, 4, 2, 2, 3, dtype=torch.uint8)
    crops[0, 1, 0, 1], crops[0, 3, 0, 1] = (
        torch.tensor([1, 2, 3], dtype=torch.uint8),
        torch.tensor([9, 8, 7], dtype=torch.uint8),
    )
    for steps, expected in (
        ([1, 3], [[0, 0, 0], [1, 2, 3], [0, 0, 0], [9, 8, 7]]),
        ([3], [[0, 0, 0]] * 3 + [[9, 8, 7]]),
    ):
        has_face = torch.zeros(1, 4, dtype=torch.bool)
        has_face[0, steps] = True
        batch = encoded(crops, has_face, torch.zeros(1, 0, 96, 64), torch.zeros(1, 4, 1))
        assert batch.face[0].tolist() == expected and batch.voice.shape == (1, 4, 2)
