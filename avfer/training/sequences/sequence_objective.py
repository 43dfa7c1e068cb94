"""The loss of a model over time on a batch of sequences, and its predictions for whole recordings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from avfer.losses.affect_labels import AffectLabels
from avfer.losses.label_losses import multi_task_losses
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction
from avfer.training.data.sequence_batches import Recording, SequenceBatch, stacked, whole
from avfer.training.sequences.sequence_model import EndToEndNetwork
from avfer.training.training_config import LossConfig, Target

ENCODED = 64  # steps of a recording whose crops are encoded at once
BLOCK = 1024  # steps of a recording that a model without hidden state reads at once
INPUTS = ("face", "voice", "has_face", "has_voice", "times", "valid")


class SequenceObjective(nn.Module):
    """A model over time with its loss: maps a batch to one loss, so that training is a single forward call.

    `model` is an affect model over features, or an end-to-end network that computes them from crops and audio.

    targets: whose losses are added; loss: their weights.
    """

    pos_weight: Tensor

    def __init__(self, model: nn.Module, targets: Sequence[Target], loss: LossConfig, pos_weight: Tensor) -> None:
        """model: an AffectModel or an EndToEndNetwork; pos_weight: (A,) float, weights of occurrences."""
        super().__init__()
        self.model = model
        self.targets, self.loss = targets, loss
        self.register_buffer("pos_weight", pos_weight, persistent=False)

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Return the weighted sum of the losses of all targets, ()."""
        pos_weight = self.pos_weight if self.loss.balanced else None
        losses = multi_task_losses(
            self.predict(batch), self._target_labels(batch), self.loss.over, self.loss.smoothing, pos_weight
        )
        by_target: dict[Target, Tensor | None] = losses._asdict()  # pyright: ignore[reportAssignmentType]
        parts: list[Tensor] = []
        for target in self.targets:
            loss = by_target[target]
            assert loss is not None, "a model has a head for each target"
            parts.append(getattr(self.loss, target) * loss)
        return torch.stack(parts).sum()

    def predict(self, batch: SequenceBatch) -> Prediction:
        """Return the prediction for every step of a batch, (B, T, ...)."""
        return self._over_time(self.encode(batch))

    def encode(self, batch: SequenceBatch) -> SequenceBatch:
        """Return the batch with features in place of crops and patches; unchanged if it has features already."""
        if not isinstance(self.model, EndToEndNetwork):
            return batch
        voice = _voice_features(self.model, batch) if self.model.num_voice else batch.voice
        return replace(batch, face=_face_features(self.model, batch), voice=voice, patches=batch.patches[:, :0])

    def predict_recording(self, recording: Recording, device: torch.device) -> Prediction:
        """Return the prediction for all steps of a recording, (1, T, ...).

        Crops are encoded block by block. A model without hidden state reads its features in blocks too, each with all
        the steps that it depends on.
        """
        if isinstance(self.model, EndToEndNetwork):
            batch = self._encoded(recording, device)
        else:
            batch = whole(recording).to(device)
        model = self._affect_model
        length = batch.valid.shape[1]
        if model.causal or length <= BLOCK:
            return self._over_time(batch)
        parts: list[Prediction] = []
        for start in range(0, length, BLOCK):
            first, stop = max(0, start - model.past), min(length, start + BLOCK + model.ahead)
            block = replace(batch, **{name: getattr(batch, name)[:, first:stop] for name in INPUTS})
            steps = slice(start - first, start - first + BLOCK)
            parts.append(self._over_time(block).map(lambda x, steps=steps: x[:, steps]))
        return Prediction.merge(parts, lambda several: torch.cat(several, 1))

    @property
    def _affect_model(self) -> AffectModel:
        """Return the model that reads features over time."""
        return self.model.over_time if isinstance(self.model, EndToEndNetwork) else cast(AffectModel, self.model)

    def _over_time(self, batch: SequenceBatch) -> Prediction:
        """Return the prediction for a batch of features, (B, T, ...)."""
        b = batch
        return self._affect_model.sequence(b.face, b.voice, b.has_face, b.has_voice, b.valid, b.times)

    def _encoded(self, recording: Recording, device: torch.device) -> SequenceBatch:
        """Return all steps of a recording as one sequence of features, encoded in blocks."""
        blocks = [
            self.encode(stacked([(recording, slice(start, start + ENCODED))]).to(device))
            for start in range(0, len(recording), ENCODED)
        ]
        joined = {name: torch.cat([getattr(block, name) for block in blocks], 1) for name in INPUTS}
        times = torch.from_numpy(recording.inputs.times - recording.inputs.times[0]).float().to(device)
        labels = AffectLabels.merge([block.labels for block in blocks], lambda several: torch.cat(several, 1))
        return replace(blocks[0], **joined | {"times": times[None], "labels": labels})

    def _target_labels(self, batch: SequenceBatch) -> AffectLabels:
        """Return the labels with only those of the targets valid."""
        labels = batch.labels
        return replace(
            labels,
            valence_arousal_valid=labels.valence_arousal_valid & ("valence_arousal" in self.targets),
            expression_valid=labels.expression_valid & ("expression" in self.targets),
            action_units_valid=labels.action_units_valid & ("action_units" in self.targets),
        )


def _face_features(network: EndToEndNetwork, batch: SequenceBatch) -> Tensor:
    """Return features of the crops, (B, T, Df); 0 for steps without a face, for which nothing is computed."""
    crops, has_face = batch.face, batch.has_face
    features = torch.zeros(*has_face.shape, network.num_face, device=crops.device)
    if not has_face.any():
        return features
    faces = crops[has_face].permute(0, 3, 1, 2)
    # A single face is repeated: norms over a batch cannot be trained on one.
    computed = network.face_features(faces if len(faces) > 1 else faces.repeat(2, 1, 1, 1))[: len(faces)]
    return features.to(computed.dtype).masked_scatter(has_face[..., None], computed)


def _voice_features(network: EndToEndNetwork, batch: SequenceBatch) -> Tensor:
    """Return features of the voice, (B, T, Dv), interpolated linearly between the two patches around each step."""
    patches, positions = batch.patches, batch.voice
    b, k = patches.shape[:2]
    if not k:
        return positions.new_zeros(*positions.shape[:2], network.num_voice)
    features = network.voice_features(patches.flatten(0, 1)[:, None]).unflatten(0, (b, k))
    before = positions.long().clamp(max=k - 1)
    index = (before, (before + 1).clamp(max=k - 1))
    first, second = (features.gather(1, i.expand(-1, -1, features.shape[2])) for i in index)
    return first + (positions - before) * (second - first)
