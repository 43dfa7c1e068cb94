"""Networks that learn from crops and sound over time: a backbone below an affect model, or one that is both."""

from dataclasses import fields, replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from avfer.models.affect.heads import AffectOutputs
from avfer.models.card import Card
from avfer.stages.embed_faces import normalised
from avfer.training.affect import read_whole
from avfer.training.objective import Objective
from avfer.training.sequences import Batch, Recording, cut, stacked

BLOCK = 64  # steps of a recording whose crops are read at once


class Network(Protocol):
    """Makes features of what is seen and heard, and reads them over time."""

    card: Card  # of what reads the crops
    num_face: int  # features of a face; 0 where it does not see
    num_heard: int  # features that it makes of the patches of a voice; 0 where it is given those, or does not listen

    @property
    def over_time(self) -> nn.Module:
        """An affect model: its `sequence` reads the features."""
        ...

    def look(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) in [0, 255] RGB -> (N, D)."""
        ...

    def hear(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel -> (N, D)."""
        ...


class CnnRnn(nn.Module):
    """A face backbone whose features an affect model reads over time. A frozen backbone stays as it was to the bit."""

    def __init__(self, backbone: nn.Module, temporal: nn.Module, card: Card, frozen: bool = False) -> None:
        super().__init__()
        self.backbone, self.temporal = backbone, temporal
        self.card, self.frozen = card, frozen
        self.num_face, self.num_heard = card.width("face"), 0
        if frozen:
            backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "CnnRnn":
        """A frozen backbone is never in training: its norms keep their means, nothing is dropped out."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    @property
    def over_time(self) -> nn.Module:
        """The affect model."""
        return self.temporal

    def look(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) in [0, 255] RGB -> (N, D)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return cast(Any, self.backbone).features(normalised(self.card, crops))

    def hear(self, patches: Tensor) -> Tensor:
        """The voice has features already."""
        raise TypeError("a CnnRnn reads features of the voice, no patches")


class WholeNetwork(nn.Module):
    """A network that is all in one: a video model, or a backbone of the voice that tells affect."""

    def __init__(self, model: nn.Module, card: Card) -> None:
        super().__init__()
        self.model, self.card = model, card
        self.num_face, self.num_heard = card.inputs.get("face", 0), card.inputs.get("voice", 0)

    @property
    def over_time(self) -> nn.Module:
        """The model itself."""
        return self.model

    def look(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) in [0, 255] RGB -> (N, D)."""
        return cast(Any, self.model).features(normalised(self.card, crops))

    def hear(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel -> (N, D)."""
        model = cast(Any, self.model)
        return model.voice_features(patches) if self.num_face else model.features(patches)


class EndToEnd(Objective):
    """The same losses over what a network makes of crops and patches."""

    def read(self, batch: Batch) -> AffectOutputs:
        """What the network tells of every step."""
        b = self.features(batch)
        over_time = cast(Any, self.network.over_time)
        return over_time.sequence(b.face, b.voice, b.has_face, b.has_voice, b.valid, b.times)

    @property
    def network(self) -> Network:
        """The model."""
        return cast(Network, self.model)

    def features(self, batch: Batch) -> Batch:
        """The batch with features in place of crops and patches."""
        voice = self._sounds(batch.sound, batch.voice) if self.network.num_heard else batch.voice
        return replace(batch, face=self._looks(batch.face, batch.has_face), voice=voice, sound=batch.sound[:, :0])

    def read_recording(self, recording: Recording, device: torch.device) -> AffectOutputs:
        """All steps of a recording (1, T, ...): crops are read block by block, their features over time as a whole."""
        parts: list[Batch] = []
        for start in range(0, len(recording), BLOCK):
            batch = stacked([cut(recording, slice(start, start + BLOCK))]).to(device)
            parts.append(self.features(batch))
        whole = Batch(*(torch.cat([getattr(part, f.name) for part in parts], 1) for f in fields(Batch)))
        times = torch.from_numpy(recording.features.times - recording.features.times[0]).float().to(device)
        over_time = Objective(self.network.over_time, self.targets, self.loss, self.positive)
        return read_whole(over_time, replace(whole, times=times[None]))

    def _looks(self, crops: Tensor, there: Tensor) -> Tensor:
        """crops (B, T, S, S, 3) uint8, there (B, T) bool -> (B, T, D); 0 where no face is, and nothing computed."""
        placed = torch.zeros(*there.shape, self.network.num_face, device=crops.device)
        if not there.any():
            return placed
        shown = crops[there].permute(0, 3, 1, 2)
        # Twice, where there is one alone: norms over a batch cannot learn from one.
        looks = self.network.look(shown if len(shown) > 1 else shown.repeat(2, 1, 1, 1))[: len(shown)]
        return placed.to(looks.dtype).masked_scatter(there[..., None], looks)

    def _sounds(self, patches: Tensor, places: Tensor) -> Tensor:
        """patches (B, K, 96, 64), places (B, T, 1) -> (B, T, D): linear between the two patches around a step."""
        b, k = patches.shape[:2]
        if not k:
            return places.new_zeros(*places.shape[:2], self.network.num_heard)
        heard = self.network.hear(patches.flatten(0, 1)[:, None]).unflatten(0, (b, k))
        before = places.long().clamp(max=k - 1)
        index = (before, (before + 1).clamp(max=k - 1))
        first, second = (heard.gather(1, i.expand(-1, -1, heard.shape[2])) for i in index)
        return first + (places - before) * (second - first)
