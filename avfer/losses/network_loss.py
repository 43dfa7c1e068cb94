"""Losses of face networks beyond the labels (`losses:` of a recipe): the base class, and what a loss can read.

A loss of your own is a subclass of `NetworkLoss` in any installed package; a recipe names it by
`package.module:Name`. A built-in one is a file in this folder and a line of the kind "loss" in avfer/catalog.py:

    class FeatureNorm(NetworkLoss):
        def forward(self, forward_pass: ForwardPass) -> Tensor:
            return forward_pass.prediction.features.square().mean()

In the recipe, with its weight in the sum of the losses: `losses: {my_package.losses:FeatureNorm: 0.1}`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.local_paths import local_path
from avfer.losses.affect_labels import AffectLabels
from avfer.models.card import Card
from avfer.models.card_files import read_card
from avfer.models.factory import create
from avfer.models.network import Network, find_network
from avfer.models.prediction import Prediction
from avfer.models.weights import card_of, locate


class FaceBatch(Protocol):
    """N face crops with labels, and M triplets of crops."""

    @property
    def pixels(self) -> Tensor:
        """Return (N, 3, S, S) float32 crops, normalised as the network's card says."""
        ...

    @property
    def labels(self) -> AffectLabels:
        """Return the labels of the N crops."""
        ...

    @property
    def triplets(self) -> Tensor:
        """Return (M, 3, 3, S, S) float32 crops of M triplets, the odd face last; M may be 0."""
        ...

    @property
    def margins(self) -> Tensor:
        """Return (M,) float32, the margin of each triplet."""
        ...


@dataclass(frozen=True)
class LossContext:
    """What a loss is constructed from."""

    card: Card  # of the network in training; `classes` is the order of its logits
    teacher: Path | None = None  # the file of `teacher:` in the recipe


class NetworkLoss(nn.Module):
    """Base class of the losses of `losses:`. Parameters of a loss are trained together with the network.

    `needs` are names that the network must list in its `offers`. A loss with `reads_labels` skips crops without a
    label. `teacher` is the catalog name of the frozen teacher network that a loss reads, "" for none; it is used for
    weights without a card.

    context: the card of the network in training, and the file of the teacher.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    reads_labels: ClassVar[bool] = False
    teacher: ClassVar[str] = ""

    def __init__(self, context: LossContext) -> None:
        """Construct the loss for a network. Raises ValueError if its classes do not suit the loss."""
        super().__init__()

    def forward(self, forward_pass: "ForwardPass") -> Tensor:
        """Return the loss of a batch, a float tensor of shape ()."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(forward_pass)")


class ForwardPass:
    """One forward pass of a network over a batch. Losses share it: everything is computed at most once, on demand."""

    def __init__(self, network: Any, card: Card, batch: FaceBatch, teacher: "FrozenTeacher | None" = None) -> None:
        """network: in training; card: of its crops and classes; teacher: read by `teacher_prediction`."""
        self.network, self.card, self.batch = network, card, batch
        self._teacher = teacher
        self._memo: dict[str, Tensor] = {}

    @property
    def pixels(self) -> Tensor:
        """Return the (N, 3, S, S) float32 crops, normalised as the card says."""
        return self.batch.pixels

    @cached_property
    def images(self) -> Tensor:
        """Return the crops before normalisation: (N, 3, S, S) float32 in [0, 1], channels in the order of the card."""
        mean, std = _moments(self.card, self.pixels.device)
        return (self.pixels * std + mean).clamp(0, 1)

    @cached_property
    def prediction(self) -> Prediction:
        """Return the prediction of the network for the N crops."""
        return self.network.predict(self.pixels)

    @cached_property
    def teacher_prediction(self) -> Prediction:
        """Return the prediction of the frozen teacher for the same crops, its classes in the network's order."""
        assert self._teacher is not None, "a loss that reads the teacher declares it by `teacher`"
        return self._teacher.predict(self)

    @property
    def expression_logits(self) -> Tensor:
        """Return the (N, K) expression logits of the network."""
        logits = self.prediction.expression_logits
        assert logits is not None, "a recipe without expressions has no loss of them"
        return logits

    @property
    def teacher_logits(self) -> Tensor:
        """Return the (N, K) expression logits of the frozen teacher, its classes in the network's order."""
        logits = self.teacher_prediction.expression_logits
        assert logits is not None, "a teacher without the classes of the network is refused when it is loaded"
        return logits

    def shared(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return `compute()`, computed once in this pass under this name; for tensors that several losses read."""
        if name not in self._memo:
            self._memo[name] = compute()
        return self._memo[name]


class FrozenTeacher:
    """A trained network whose weights do not change; it runs once per batch and is not saved with them.

    context: states the file of the teacher, and the classes of the network in training.
    """

    def __init__(self, context: LossContext, default_name: str) -> None:
        """Load the teacher of a recipe; `default_name` is the network of weights without a card.

        Raises ConfigError if the recipe names no teacher or the teacher has other classes, and WeightsError.
        """
        if context.teacher is None:
            raise ConfigError(f"losses: a teacher is needed; set teacher: to a file of weights ({default_name} etc.)")
        path = local_path(context.teacher)
        card_path = path.with_suffix(".json")
        has_card = card_path.exists()
        name = read_card(card_path).name if has_card else default_name
        card = locate(name, str(path))[1]
        self.card = card if has_card else _of_the_same_corpus(card, context.card)
        if set(self.card.classes) != set(context.card.classes):
            theirs, ours = (", ".join(card.classes) or "none" for card in (self.card, context.card))
            raise ConfigError(f"teacher: {path} has the classes {theirs}; the network in training has {ours}")
        self.order = [self.card.classes.index(name) for name in context.card.classes]
        self.network = create(name, weights=path).requires_grad_(False)

    @torch.no_grad()
    def predict(self, forward_pass: ForwardPass) -> Prediction:
        """Return the prediction for the crops of a pass, its classes in the order of the network in training."""
        pixels, card = forward_pass.pixels, forward_pass.card
        if (self.card.mean, self.card.std, self.card.size) != (card.mean, card.std, card.size):
            pixels = self._converted(forward_pass)
        network: Any = self.network.to(pixels.device)
        prediction: Prediction = network.predict(pixels)
        logits = prediction.expression_logits
        assert logits is not None, "the classes of a teacher are compared when it is loaded"
        return Prediction(prediction.features, logits[:, self.order], extras=prediction.extras)

    def _converted(self, forward_pass: ForwardPass) -> Tensor:
        """Return the crops of a pass as the teacher reads them: its size, channel order and normalisation."""
        images = forward_pass.images
        mean, std = _moments(self.card, images.device)
        images = images.flip(1) if self.card.colour != forward_pass.card.colour else images
        side = self.card.size or images.shape[2]
        if side != images.shape[2]:
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return (images - mean) / std


def _of_the_same_corpus(teacher: Card, network: Card) -> Card:
    """Return the card of a teacher without a card file, with mean and std of the corpus of the network in training.

    EfficientFace's authors published a generator for each corpus, and no file states its own. Both networks read the
    same crops.
    """
    corpus = network.options.get("corpus")
    if corpus is None or "corpus" not in find_network(teacher.name, Network).option_names():
        return teacher
    known = card_of(teacher.name, **teacher.options | {"corpus": corpus})
    return teacher.model_copy(update={"mean": known.mean, "std": known.std})


def _moments(card: Card, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of a card, (3, 1, 1) each."""
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (card.mean, card.std))
    return mean, std
