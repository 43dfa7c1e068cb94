"""PF-ViT in training, on tiny faces: its parts learn with and against each other, and the components come apart."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.losses import poker_face
from avfer.models.backbones import vit
from avfer.models.backbones.poker_face import Generator, Separator
from avfer.training.passes import Pass
from avfer.training.pictures import PictureTask
from tests.training.lessons import falls, made, told

NO_CLASSES = {"expression": 0.0}
PARTS = {"reconstruction": 1.0, "adversarial": 0.1, "neutrality": 0.1, "identity": 0.1}


@pytest.fixture
def task(monkeypatch, tmp_path) -> Callable[..., PictureTask]:
    """A maker of tasks whose network has two blocks of 64 and reads 32 px."""
    for name, value in {"SIDE": 32, "DEPTH": 2, "HEAD_WIDTH": 16}.items():
        monkeypatch.setattr(vit, name, value)
    monkeypatch.setitem(vit.WIDTHS, "tiny", 64)

    def make(losses: dict[str, float], **changes: Any) -> PictureTask:
        options = {"size": "tiny", "patch": 8} | changes.pop("model_options", {})
        some = made(tmp_path, model="pf_vit", model_options=options, losses=losses, options={"count": 16}, **changes)
        if some.objective.model.generator is not None:
            some.objective.model.generator = Generator(64, 8, width=64, depth=4)
        return some

    return make


@pytest.mark.parametrize("loss", [{}, {"expression": 0.0}], ids=["beside the classes", "alone"])
def test_the_soft_form_learns_right_angles_through_its_recipe(task, loss):
    some = task({"orthogonality": 1.0}, model_options={"separation": "soft"}, loss=loss)
    before = told(some, some.batch([0, 1, 2]))["orthogonality"]
    falls(some, 10)
    assert 0 <= told(some, some.batch([0, 1, 2]))["orthogonality"] < 0.5 * before


def test_the_exact_form_has_no_angle_to_learn(task):
    some = task({"orthogonality": 1.0})
    assert told(some, some.batch([0, 1, 2]))["orthogonality"] < 1e-10


def test_the_generators_own_part_does_not_push_the_discriminator(task):
    """Its gradient is that of the hinge loss alone, while the generator is pushed too."""
    some = task({"adversarial": 1.0}, model_options={"generator": True}, loss=NO_CLASSES)
    batch, model = some.batch([0, 1]), some.objective.model
    some.objective(batch).backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert any(name.startswith("generator.") for name in found)
    model.zero_grad()
    seen = Pass(model, some.card, batch)
    real, made_up = (model.discriminator(x).realness for x in (batch.pixels, seen.poker_faces.detach()))
    poker_face.hinge_discriminator(real, made_up).backward()
    judge = {f"discriminator.{name}": p.grad for name, p in model.discriminator.named_parameters()}
    wanted = {name: grad for name, grad in judge.items() if grad is not None}
    assert len(wanted) > 20
    assert all(torch.allclose(found[name], grad, atol=1e-6) for name, grad in wanted.items())


class Round(NamedTuple):
    """How the game stands."""

    judging: float  # hinge loss of the discriminator, 2 where it knows nothing
    making: float  # hinge loss of the generator
    told: float  # share of faces whose expression the discriminator tells


@torch.no_grad()
def stand(some: PictureTask, seen: Pass) -> Round:
    real, poker = (seen.model.discriminator(x) for x in (seen.pixels, seen.poker_faces))
    judging = poker_face.hinge_discriminator(real.realness, poker.realness)
    hits = (real.expression_logits.argmax(1) == seen.batch.expression).float().mean()
    return Round(float(judging), float(poker_face.hinge_generator(poker.realness)), float(hits))


@pytest.mark.slow
def test_a_hundred_steps_on_sixteen_faces(task):
    some = task(PARTS, model_options={"generator": True})
    batch, rounds = some.batch(list(range(16))), list[Round]()
    optimiser = torch.optim.Adam([p for p in some.objective.parameters() if p.requires_grad], 1e-3)
    before = told(some, batch)
    for _ in range(100):
        rounds.append(stand(some, Pass(some.objective.model, some.card, batch)))
        optimiser.zero_grad()
        some.objective(batch).backward()
        optimiser.step()
    after = told(some, batch)
    classes = [x["all"] - sum(weight * x[name] for name, weight in PARTS.items()) for x in (before, after)]
    assert classes[1] < 0.2 * classes[0]
    assert after["reconstruction"] < 0.7 * before["reconstruction"]
    assert after["identity"] < before["identity"]
    apart = next(number for number, now in enumerate(rounds[:30]) if now.judging < 1)
    making = [now.making for now in rounds[apart:]]
    worst = making.index(max(making[:60]))
    assert min(making[worst:]) < making[worst] - 1, "what made faces that were told apart learns to pass"
    assert rounds[-1].told > 0.7, "chance is one in three"


def faces(count: int, identities: Tensor, expressions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Faces of a few numbers: somebody's, with some expression, and noise; who it is, and what it shows."""
    who, shown = torch.randint(len(identities), (count,)), torch.randint(len(expressions), (count,))
    return identities[who] + expressions[shown] + torch.randn(count, identities.shape[1]), who, shown


def read_linearly(known: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor]) -> float:
    """Accuracy of a linear probe (least squares with a ridge), fitted to features and labels of others."""
    mean, spread = known[0].mean(0), known[0].std()
    x, new = ((features - mean) / spread for features in (known[0], asked[0]))
    wanted = F.one_hot(known[1]).float()
    share = wanted.mean(0)
    weights = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ (wanted - share))
    return float(((new @ weights + share).argmax(1) == asked[1]).float().mean())


@pytest.mark.parametrize("seed", range(3))
def test_expression_goes_to_the_one_component_and_identity_to_the_other(seed):
    """Encoder, generator and discriminator are as small as can be; separator and losses are those of PF-ViT."""
    torch.manual_seed(seed)
    width, people, shown = 16, torch.randn(6, 16), torch.randn(3, 16)
    encoder, separator, head = nn.Linear(width, width), Separator(width, "exact"), nn.Linear(width, 3)
    generator = nn.Sequential(nn.Linear(2 * width, 64), nn.GELU(), nn.Linear(64, width))
    judge = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, 4))
    ours, theirs = (
        torch.optim.Adam(nn.ModuleList(parts).parameters(), 2e-3)
        for parts in ((encoder, separator, head, generator), (judge,))
    )
    for _ in range(400):
        x, _, label = faces(64, people, shown)
        emotion, residue = separator(encoder(x))
        rebuilt, poker = (generator(torch.cat([residue, told], 1)) for told in (emotion, torch.zeros_like(emotion)))
        real, made_up = judge(x), judge(poker.detach())
        theirs.zero_grad()
        (poker_face.hinge_discriminator(real[:, 0], made_up[:, 0]) + F.cross_entropy(real[:, 1:], label)).backward()
        theirs.step()
        judged = judge(poker)
        ours.zero_grad()
        loss = F.cross_entropy(head(emotion), label) + poker_face.reconstruction(rebuilt, x)
        loss = loss + poker_face.neutrality(judged[:, 1:], 0) + poker_face.unchanged(poker, x, label == 0)
        loss = loss + 0.1 * poker_face.hinge_generator(judged[:, 0])
        (loss + 0.1 * poker_face.identity(residue, separator(encoder(poker)).residue)).backward()
        ours.step()
    with torch.no_grad():
        known, asked = (((x := faces(n, people, shown)), separator(encoder(x[0]))) for n in (300, 2000))
    found = {
        (what, part): read_linearly(
            (getattr(known[1], part), known[0][place]), (getattr(asked[1], part), asked[0][place])
        )
        for what, place in (("identity", 1), ("expression", 2))
        for part in ("emotion", "residue")
    }
    assert found["expression", "emotion"] > found["expression", "residue"] + 0.04, found
    assert found["identity", "residue"] > found["identity", "emotion"] + 0.2, found
