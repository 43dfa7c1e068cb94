"""Losses that a network has of its own, by the name that `losses:` of a recipe gives them.

A loss is made once for an experiment and then reads one pass after another. It may own tensors that are trained with
the network (the centres of DAN); a network that it only asks is no part of what is trained and saved.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.errors import ConfigError, unknown
from avfer.losses import pdls
from avfer.losses.arcface import arcface_loss
from avfer.losses.dan import affinity, partition
from avfer.losses.distillation import embedding_loss, softened_loss
from avfer.losses.feature import FeatureLoss
from avfer.losses.label_distribution import label_distribution
from avfer.losses.masked_patches import masked_error
from avfer.losses.mean_square import mean_square
from avfer.losses.pretext import inpainting_loss, puzzle_loss
from avfer.losses.triplet import triplet_loss
from avfer.models.backbones import vit
from avfer.models.backbones.mae import Masking
from avfer.models.backbones.mt_arcvgg import SCALE
from avfer.models.card import Card
from avfer.models.factory import create
from avfer.models.reading import Reading
from avfer.models.weights import locate, read_card
from avfer.signal.puzzle import puzzle, random_orders
from avfer.training import adversarial
from avfer.training.passes import Pass, has

CUT = 60 / 224  # side of what is cut out of a picture for in-painting, as a share


@dataclass(frozen=True)
class Setting:
    """What losses are made from."""

    card: Card  # of the network, with the classes in the order of the logits
    teacher: Path | None = None  # a file of weights


OwnLoss = Callable[[Pass], Tensor]  # -> ()


class Affinity(nn.Module):
    """DAN: features are drawn to the centre of their class."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(len(setting.card.classes), setting.card.features or 0))

    def forward(self, seen: Pass) -> Tensor:
        there = seen.batch.expression_valid
        return affinity(seen.outputs.feature_map[there], seen.batch.expression[there], self.centres)


class Inpainting(nn.Module):
    """HMTL: a picture with a square cut out is made whole, as VGG-16 sees it (file: `teacher`)."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.feature = FeatureLoss(setting.teacher)

    def forward(self, seen: Pass) -> Tensor:
        cut = seen.pixels.clone()
        side = cut.shape[2]
        hole = round(CUT * side)
        for number, (top, left) in enumerate(torch.randint(side - hole + 1, (len(cut), 2)).tolist()):
            cut[number, :, top : top + hole, left : left + hole] = 0
        restored = seen.model.restore(cut)
        return inpainting_loss(self.feature(restored, seen.shown), restored, seen.shown)


class Asked:
    """A trained network that is asked, and learns nothing."""

    def __init__(self, setting: Setting, usual: str) -> None:
        if setting.teacher is None:
            raise ConfigError(f"losses: a teacher is needed; name its weights, of {usual} say: teacher: FILE")
        path = setting.teacher.expanduser()
        name = read_card(path.with_suffix(".json")).name if path.with_suffix(".json").exists() else usual
        self.card = locate(name, str(path))[1]
        if set(self.card.classes) != set(setting.card.classes):
            theirs, ours = (", ".join(card.classes) or "none" for card in (self.card, setting.card))
            raise ConfigError(f"teacher: {path} tells the classes {theirs}; what is trained has {ours}")
        self.order = [self.card.classes.index(name) for name in setting.card.classes]
        self.network = create(name, weights=path).requires_grad_(False)

    @torch.no_grad()
    def __call__(self, seen: Pass) -> Reading:
        """What it tells of the same crops, its classes in our order."""
        pixels = seen.pixels
        if (self.card.mean, self.card.std, self.card.size) != (seen.card.mean, seen.card.std, seen.card.size):
            pixels = _as_read_by(self.card, seen)
        reading = cast(Reading, self.network.to(pixels.device).read(pixels))  # pyright: ignore[reportCallIssue]
        assert reading.expression_logits is not None
        return reading._replace(expression_logits=reading.expression_logits[:, self.order])


class LabelDistribution:
    """EfficientFace: the distribution that a generator tells is learned, labels are not."""

    def __init__(self, setting: Setting) -> None:
        self.generator = Asked(setting, "efficientface_ldg")

    def __call__(self, seen: Pass) -> Tensor:
        return label_distribution(logits_of(seen.reading), logits_of(self.generator(seen)))


class Pdls:
    """PSR: each branch against labels smoothed by what people see in such faces."""

    def __init__(self, setting: Setting) -> None:
        self.prior = pdls.prior(setting.card.classes)

    def __call__(self, seen: Pass) -> Tensor:
        there = seen.batch.expression_valid
        targets = pdls.smoothed(seen.batch.expression[there], self.prior.to(there.device))
        return pdls.branches_loss(seen.branches[there], targets)


class Embedding:
    """AVER: the student's embedding is that of its teacher."""

    def __init__(self, setting: Setting) -> None:
        self.teacher = Asked(setting, "aver_teacher")

    def __call__(self, seen: Pass) -> Tensor:
        return embedding_loss(seen.embedded.embedding, self.teacher(seen).features)


class Softened(Embedding):
    """AVER: the student's classes are those of its teacher, softened."""

    def __call__(self, seen: Pass) -> Tensor:
        return softened_loss(logits_of(seen.reading), logits_of(self.teacher(seen)))


class Neutrality:
    """PF-ViT: a poker face is neutral."""

    def __init__(self, setting: Setting) -> None:
        if "neutral" not in setting.card.classes:
            raise ValueError("it needs a class 'neutral'")
        self.neutral = setting.card.classes.index("neutral")

    def __call__(self, seen: Pass) -> Tensor:
        return adversarial.neutrality(seen, self.neutral)


def heads_apart(seen: Pass) -> Tensor:
    """DAN: attention heads that differ."""
    return partition(seen.outputs.heads)


def branches_of_votes(seen: Pass) -> Tensor:
    """PSR on FERPlus: each branch against the shares of the votes."""
    there = seen.batch.votes.sum(1) > 0
    votes = seen.batch.votes[there]
    return pdls.branches_loss(seen.branches[there], votes / votes.sum(1, keepdim=True))


def puzzles(seen: Pass) -> Tensor:
    """HMTL: which tile lies where in shuffled pictures."""
    order = random_orders(len(seen.pixels), seen.model.grid).to(seen.pixels.device)
    return puzzle_loss(seen.model.puzzle_logits(puzzle(seen.pixels, order)), order)


def masked_patches(seen: Pass) -> Tensor:
    """MAE: patches that are hidden are filled in."""
    masking: Masking = seen.model.masking(len(seen.pixels))
    told = seen.model.reconstruct(seen.pixels, masking.visible)
    return masked_error(told, vit.patchify(seen.pixels, seen.model.patch), masking.hidden)


def triplets(seen: Pass) -> Tensor:
    """AVER: of three faces two look more alike."""
    given = seen.batch.triplets
    if not len(given):
        return seen.pixels.new_zeros(())
    first, second, odd = seen.model.embed(given.flatten(0, 1)).embedding.unflatten(0, (-1, 3)).unbind(1)
    return triplet_loss(first, second, odd, seen.batch.margins)


def arcface(seen: Pass) -> Tensor:
    """mt_arcvgg: classes apart by angles."""
    return arcface_loss(logits_of(seen.reading) / SCALE, seen.batch.expression, seen.batch.expression_valid)


def pair_squared(seen: Pass) -> Tensor:
    """hmtl: squared error of valence and arousal."""
    told = seen.reading.valence_arousal
    assert told is not None
    return mean_square(told, seen.batch.pair, seen.batch.pair_valid)


class Known(NamedTuple):
    """A loss of the table."""

    needs: str  # a method or a part that a network must have for it
    loss: OwnLoss | Callable[[Setting], OwnLoss]  # a function, or a class to make it from
    labelled: bool = False  # it passes over crops without a label


LOSSES: dict[str, Known] = {
    "affinity": Known("outputs", Affinity, labelled=True),
    "partition": Known("outputs", heads_apart),
    "label_distribution": Known("read", LabelDistribution),
    "pdls": Known("branch_logits", Pdls, labelled=True),
    "branches": Known("branch_logits", branches_of_votes, labelled=True),
    "puzzle": Known("puzzle", puzzles),
    "inpainting": Known("inpainting", Inpainting),
    "masked_patches": Known("decoder", masked_patches),
    "triplet": Known("head.similarity", triplets, labelled=True),
    "embedding": Known("head.similarity", Embedding),
    "softened": Known("read", Softened),
    "arcface": Known("cosines", arcface, labelled=True),
    "mean_square": Known("read", pair_squared, labelled=True),
    "orthogonality": Known("separator", adversarial.orthogonality),
    "reconstruction": Known("generator", adversarial.reconstruction),
    "adversarial": Known("generator", adversarial.adversarial),
    "flatness": Known("discriminator", adversarial.flatness),
    "neutrality": Known("generator", Neutrality),
    "identity": Known("generator", adversarial.identity),
}


def own_loss(name: str, model: nn.Module, setting: Setting) -> OwnLoss:
    """The loss of this name. ConfigError where there is none, or the network has not what it reads."""
    if name not in LOSSES:
        raise ConfigError(f"losses: {unknown('loss', name, LOSSES)}")
    known = LOSSES[name]
    if not has(model, known.needs):
        raise ConfigError(
            f"losses: {name} reads '{known.needs}', which {setting.card.name} has not with these model_options"
        )
    if not isinstance(known.loss, type):
        return cast(OwnLoss, known.loss)
    try:
        return cast(OwnLoss, known.loss(setting))
    except ValueError as error:
        raise ConfigError(f"losses: {name}: {error}") from error


def check_unlabelled(losses: Mapping[str, float], model: nn.Module) -> None:
    """ConfigError where none of the losses, by name with their weights, reads crops without a label."""
    if any(weight and not LOSSES[name].labelled for name, weight in losses.items()):
        return
    some = [name for name, known in LOSSES.items() if not known.labelled and has(model, known.needs)]
    raise ConfigError(
        f"unlabelled: no loss reads faces without labels; give one a weight in losses: ({', '.join(some)}), or leave"
        " unlabelled: out"
    )


def logits_of(reading: Reading) -> Tensor:
    """Of a network that tells expressions, (N, K)."""
    assert reading.expression_logits is not None
    return reading.expression_logits


def _as_read_by(card: Card, seen: Pass) -> Tensor:
    mean, std = (torch.tensor(x, device=seen.pixels.device)[:, None, None] for x in (card.mean, card.std))
    shown = seen.shown.flip(1) if card.colour != seen.card.colour else seen.shown
    side = card.size or seen.pixels.shape[2]
    if side != seen.pixels.shape[2]:
        shown = F.interpolate(shown, (side, side), mode="bilinear", antialias=True)
    return (shown - mean) / std
