"""PF-ViT in training on tiny faces: adversarial parts, and the separation of expression and identity."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.losses import pf_vit_losses
from avfer.losses.network_loss import ForwardPass
from avfer.losses.pf_vit_losses import PokerFaceLoss
from avfer.models.backbones import vit
from avfer.models.backbones.poker_face import Generator, Separator
from avfer.training.images.image_task import ImageTask
from tests.training.loss_steps import losses_of, make_task

NO_CLASSES = {"expression": 0.0}
PARTS = {"reconstruction": 1.0, "adversarial": 0.1, "neutrality": 0.1, "identity": 0.1}


@pytest.fixture
def task(monkeypatch, tmp_path) -> Callable[..., ImageTask]:
    """Return a function that makes tasks whose network has two blocks of width 64 and reads 32 px."""
    for name, value in {"SIDE": 32, "DEPTH": 2, "HEAD_WIDTH": 16}.items():
        monkeypatch.setattr(vit, name, value)
    monkeypatch.setitem(vit.WIDTHS, "tiny", 64)

    def make(losses: dict[str, float], **changes: Any) -> ImageTask:
        options = {"size": "tiny", "patch": 8} | changes.pop("model_options", {})
        task = make_task(
            tmp_path, model="pf_vit", model_options=options, losses=losses, options={"count": 16}, **changes
        )
        if task.objective.model.generator is not None:
            task.objective.model.generator = Generator(64, 8, width=64, depth=4)
        return task

    return make


def test_the_generator_loss_has_no_gradient_for_the_discriminator(task):
    """The discriminator has the gradient of its own hinge loss, while the generator has one too."""
    made = task({"adversarial": 1.0}, model_options={"generator": True}, loss=NO_CLASSES)
    batch, model = made.batch([0, 1]), made.objective.model
    made.objective(batch).backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert any(name.startswith("generator.") for name in found)
    model.zero_grad()
    poker_faces = PokerFaceLoss.poker_faces(made.objective.forward_pass(batch)).detach()
    real, generated = (model.discriminator(x).realness for x in (batch.pixels, poker_faces))
    pf_vit_losses.hinge_discriminator(real, generated).backward()
    grads = {f"discriminator.{name}": p.grad for name, p in model.discriminator.named_parameters()}
    expected = {name: grad for name, grad in grads.items() if grad is not None}
    assert len(expected) > 20
    assert all(torch.allclose(found[name], grad, atol=1e-6) for name, grad in expected.items())


class Round(NamedTuple):
    """The losses of both sides before a step."""

    discriminator: float  # hinge loss; 2 for a discriminator that always outputs 0
    generator: float  # hinge loss
    accuracy: float  # of the discriminator's expressions


@torch.no_grad()
def losses_of_round(forward_pass: ForwardPass) -> Round:
    discriminator = forward_pass.network.discriminator
    real, poker = (discriminator(x) for x in (forward_pass.pixels, PokerFaceLoss.poker_faces(forward_pass)))
    loss = pf_vit_losses.hinge_discriminator(real.realness, poker.realness)
    hits = (real.expression_logits.argmax(1) == forward_pass.batch.labels.expression).float().mean()
    return Round(float(loss), float(pf_vit_losses.hinge_generator(poker.realness)), float(hits))


@pytest.mark.slow
def test_discriminator_and_generator_learn_against_each_other_for_a_hundred_steps(task):
    made = task(PARTS, model_options={"generator": True})
    batch, rounds = made.batch(list(range(16))), list[Round]()
    optimiser = torch.optim.Adam([p for p in made.objective.parameters() if p.requires_grad], 1e-3)
    before = losses_of(made, batch)
    for _ in range(100):
        rounds.append(losses_of_round(made.objective.forward_pass(batch)))
        optimiser.zero_grad()
        made.objective(batch).backward()
        optimiser.step()
    after = losses_of(made, batch)
    classes = [x["all"] - sum(weight * x[name] for name, weight in PARTS.items()) for x in (before, after)]
    assert classes[1] < 0.2 * classes[0]
    assert after["reconstruction"] < 0.7 * before["reconstruction"]
    assert after["identity"] < before["identity"]
    separated = next(number for number, now in enumerate(rounds[:30]) if now.discriminator < 1)
    generator = [now.generator for now in rounds[separated:]]
    worst = generator.index(max(generator[:60]))
    assert min(generator[worst:]) < generator[worst] - 1, "the generator recovers after its faces were recognised"
    last = [now.accuracy for now in rounds[-20:]]  # single rounds go up and down
    assert sum(last) / len(last) > 0.75, "chance is one in three"


def faces(count: int, identities: Tensor, expressions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return faces of a few numbers, the sum of an identity, an expression and noise, and the index of both."""
    who, expression = torch.randint(len(identities), (count,)), torch.randint(len(expressions), (count,))
    return identities[who] + expressions[expression] + torch.randn(count, identities.shape[1]), who, expression


def probe_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Return the accuracy of a linear probe (ridge regression) fitted to (features, labels) of `train` on `test`."""
    mean, deviation = train[0].mean(0), train[0].std()
    x, new = ((features - mean) / deviation for features in (train[0], test[0]))
    target = F.one_hot(train[1]).float()
    share = target.mean(0)
    weights = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ (target - share))
    return float(((new @ weights + share).argmax(1) == test[1]).float().mean())


@pytest.mark.parametrize("seed", range(3))
def test_one_component_carries_expression_and_the_other_identity(seed):
    """Encoder, generator and discriminator are minimal; separator and losses are those of PF-ViT."""
    torch.manual_seed(seed)
    width, people, expressions = 16, torch.randn(6, 16), torch.randn(3, 16)
    encoder, separator, head = nn.Linear(width, width), Separator(width), nn.Linear(width, 3)
    generator = nn.Sequential(nn.Linear(2 * width, 64), nn.GELU(), nn.Linear(64, width))
    discriminator = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, 4))
    generator_optimiser, discriminator_optimiser = (
        torch.optim.Adam(nn.ModuleList(parts).parameters(), 2e-3)
        for parts in ((encoder, separator, head, generator), (discriminator,))
    )
    for _ in range(400):
        x, _, label = faces(64, people, expressions)
        emotion, residue = separator(encoder(x))
        rebuilt, poker = (generator(torch.cat([residue, part], 1)) for part in (emotion, torch.zeros_like(emotion)))
        real, generated = discriminator(x), discriminator(poker.detach())
        discriminator_optimiser.zero_grad()
        loss = pf_vit_losses.hinge_discriminator(real[:, 0], generated[:, 0]) + F.cross_entropy(real[:, 1:], label)
        loss.backward()
        discriminator_optimiser.step()
        judged = discriminator(poker)
        generator_optimiser.zero_grad()
        loss = F.cross_entropy(head(emotion), label) + pf_vit_losses.reconstruction(rebuilt, x)
        loss = loss + pf_vit_losses.neutrality(judged[:, 1:], 0) + pf_vit_losses.unchanged(poker, x, label == 0)
        loss = loss + 0.1 * pf_vit_losses.hinge_generator(judged[:, 0])
        (loss + 0.1 * pf_vit_losses.identity(residue, separator(encoder(poker)).residue)).backward()
        generator_optimiser.step()
    with torch.no_grad():
        train, test = (((x := faces(n, people, expressions)), separator(encoder(x[0]))) for n in (300, 2000))
    found = {
        (target, part): probe_accuracy((getattr(train[1], part), train[0][i]), (getattr(test[1], part), test[0][i]))
        for target, i in (("identity", 1), ("expression", 2))
        for part in ("emotion", "residue")
    }
    assert found["expression", "emotion"] > found["expression", "residue"] + 0.04, found
    assert found["identity", "residue"] > found["identity", "emotion"] + 0.2, found
