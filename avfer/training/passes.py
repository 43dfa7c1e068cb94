"""One pass of a network over a batch: what several losses read is computed once, and only if it is asked for."""

import math
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from avfer.models.backbones.dan import Outputs
from avfer.models.backbones.face_embedding import Embedded
from avfer.models.backbones.poker_face import Separated
from avfer.models.card import Card
from avfer.models.reading import Reading
from avfer.training.crops import PictureBatch


def has(model: nn.Module, name: str) -> bool:
    """Whether a network has a method of its class, or a part, that losses of its own read."""
    if hasattr(type(model), name):
        return True
    try:
        model.get_submodule(name)
    except AttributeError:
        return False
    return True


class Pass:
    """What a network tells of the N crops of a batch, and the parts that only some networks have."""

    def __init__(self, model: nn.Module, card: Card, batch: PictureBatch) -> None:
        self.model = cast(Any, model)
        self.card, self.batch = card, batch

    @property
    def pixels(self) -> Tensor:
        """(N, 3, S, S) normalised as the card says."""
        return self.batch.pixels

    @cached_property
    def shown(self) -> Tensor:
        """The crops as pictures: (N, 3, S, S) in [0, 1], channels in the order of the card."""
        mean, std = (torch.tensor(x, device=self.pixels.device)[:, None, None] for x in (self.card.mean, self.card.std))
        return (self.pixels * std + mean).clamp(0, 1)

    @cached_property
    def outputs(self) -> Outputs:
        """Of dan."""
        return self.model.outputs(self.pixels)

    @cached_property
    def embedded(self) -> Embedded:
        """Of aver_teacher and aver_student."""
        return self.model.embed(self.pixels)

    @cached_property
    def branches(self) -> Tensor:
        """Of psr: (N, K, B) logits."""
        return self.model.branch_logits(self.pixels)

    @cached_property
    def separated(self) -> Separated:
        """Of pf_vit: both components of all tokens."""
        return self.model.separate(self.pixels)

    @cached_property
    def poker_faces(self) -> Tensor:
        """Of pf_vit: (N, 3, S, S) normalised, without emotion."""
        return self.model.generator(self.separated.residue)

    @cached_property
    def reading(self) -> Reading:
        """What every network tells, from the pass that its own losses read too."""
        if has(self.model, "outputs"):
            return Reading(self.outputs.heads.sum(1), self.outputs.logits)
        if has(self.model, "head.similarity"):
            return Reading(self.embedded.embedding, self.embedded.logits)
        if has(self.model, "branch_logits"):
            joined = self.branches.log_softmax(1).logsumexp(2) - math.log(self.branches.shape[2])
            return Reading(joined, joined)
        if has(self.model, "generator"):
            features = self.separated.emotion[:, 0]
            return Reading(features, self.model.head(features))
        return self.model.read(self.pixels)
