"""The losses of `losses:`: each falls during training, and frozen networks stay unchanged."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from avfer.errors import AvferWarning, ConfigError
from avfer.losses.hmtl_losses import puzzle, random_orders
from avfer.losses.network_loss import ForwardPass, FrozenTeacher, LossContext, NetworkLoss
from avfer.models.backbones.efficientface_ldg import EfficientFaceLdg
from avfer.models.card_files import read_card
from avfer.models.factory import create
from avfer.models.weights import card_of
from avfer.training.images.image_objective import create_loss
from tests.training.loss_steps import assert_losses_fall, losses_of, make_task, train_steps
from tests.training.toy_images import EMBEDDING, teacher

POKER = {"reconstruction": 1.0, "adversarial": 0.1, "neutrality": 0.1, "identity": 0.1}
VOTES = {"kinds": ("expression", "votes", "valence", "arousal")}
ARC = {"width": 8, "num_features": 32, "num_embedding": 16}
NO_CLASSES = {"expression": 0.0}


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"model": "dan", "size": 64, "losses": {"affinity": 1.0, "partition": 1.0}}, 6),
        ({"model": "mt_arcvgg", "size": 96, "model_options": ARC, "losses": {"arcface": 1.0}, "loss": NO_CLASSES}, 10),
        (
            {
                "model": "hmtl",
                "model_options": {"heads": ["valence_arousal"]},
                "targets": ["valence_arousal"],
                "losses": {"mean_square": 1.0},
                "loss": {"valence_arousal": 0.0},
                "options": VOTES,
            },
            8,
        ),
        ({"model": "aver_student", "size": 64, "model_options": {"backbone": "densenet121"}}, 4),
        ({"model": "aver_teacher", "size": 96}, 4),
        ({"model": "timm:test_vit", "size": 160}, 8),
    ],
    ids=lambda value: value["model"] if isinstance(value, dict) else "",
)
def test_each_loss_falls_on_a_dozen_images(tmp_path, changes, steps):
    torch.manual_seed(0)
    assert_losses_fall(make_task(tmp_path, **changes), steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"model": "psr", "size": 64, "losses": {"pdls": 1.0}, "loss": NO_CLASSES}, {}),
        ({"model": "psr", "size": 64, "losses": {"branches": 1.0}, "loss": NO_CLASSES, "options": VOTES}, {}),
        ({"model": "poster", "size": 224, "model_options": {"depth": 4}}, {"rate": 1e-4, "sam": 0.05}),
        ({"model": "poster_v2", "size": 224}, {"rate": 1e-4, "sam": 0.05}),
        ({"model": "pf_vit", "size": 224, "losses": POKER}, {"rate": 1e-4}),
    ],
    ids=["psr", "psr of votes", "poster", "poster_v2", "pf_vit"],
)
def test_each_loss_of_a_large_network_falls(tmp_path, changes, options):
    parts = {"psr": {"side": 64}, "pf_vit": {"size": "tiny", "generator": True}}
    model_options = parts.get(changes["model"], {}) | changes.get("model_options", {})
    assert_losses_fall(make_task(tmp_path, **changes | {"model_options": model_options}), 3, 4, **options)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["pdls", "branches"])
def test_psr_classifies_sixteen_images_within_sixty_steps(tmp_path, loss):
    torch.manual_seed(0)
    changes = {"losses": {loss: 1.0}, "loss": NO_CLASSES, "options": VOTES | {"count": 16}}
    task = make_task(tmp_path, model="psr", size=64, model_options={"side": 64}, **changes)
    batch = task.batch(list(range(16)))
    for _ in range(60 // 4):
        train_steps(task, batch, 4)
        with torch.no_grad():
            forward_pass = task.objective.forward_pass(batch)
            value = float(task.objective.network_loss(loss)(forward_pass))
            predicted = forward_pass.prediction.expression_logits.argmax(1)
            accuracy = (predicted == batch.labels.expression).float().mean()
        if value < np.log(3) and accuracy > 0.9:
            return
    pytest.fail(f"after sixty steps a loss of {value} and an accuracy of {accuracy}")


@pytest.mark.slow
def test_puzzles_are_solved_above_chance_beside_expressions(tmp_path):
    heads = {"heads": ["expression", "puzzle"], "grid": 2}
    task = make_task(tmp_path, model="hmtl", model_options=heads, losses={"puzzle": 1.0})
    batch = task.batch(list(range(24)))
    task.objective.train()
    before = losses_of(task, batch)
    train_steps(task, batch, 30, rate=3e-3)
    after = losses_of(task, batch)
    assert after["puzzle"] < before["puzzle"] and after["all"] - after["puzzle"] < before["all"] - before["puzzle"]
    order = random_orders(24, 2)
    with torch.no_grad():
        solved: Tensor = task.objective.model.puzzle_logits(puzzle(batch.pixels, order)).argmax(2)
    assert (solved == order).float().mean() > 0.35, "chance is 0.25"


def test_inpainting_is_learned_and_its_feature_network_stays_unchanged(tmp_path):
    heads = {"heads": ["expression", "inpainting"]}
    with pytest.warns(AvferWarning, match="VGG-16 has random weights"):
        task = make_task(tmp_path, model="hmtl", model_options=heads, losses={"inpainting": 1.0})
    before = {name: value.clone() for name, value in task.objective.parts.state_dict().items()}
    assert_losses_fall(task, 6)
    assert all(torch.equal(value, before[name]) for name, value in task.objective.parts.state_dict().items())


@pytest.mark.parametrize(
    ("model", "size", "options", "removed"),
    [
        ("hmtl", 32, {"heads": ["expression", "puzzle"], "grid": 2}, "puzzle"),
        ("pf_vit", 224, {"size": "tiny", "generator": True}, "generator"),
    ],
)
def test_parts_that_only_training_needs_are_not_exported(tmp_path, model, size, options, removed):
    task = make_task(tmp_path, model=model, size=size, model_options=options)
    task.export(task.objective, tmp_path, {"score": 0.5})
    card = read_card(tmp_path / "best.json")
    assert removed not in str(card.options)
    plain = create(model, weights=tmp_path / "best.safetensors")
    assert not any(name.startswith(removed) for name in plain.state_dict())
    pixels = task.batch([0, 1]).pixels
    with torch.no_grad():
        assert torch.equal(plain(pixels), task.objective.model.eval()(pixels))


def test_a_teacher_may_have_another_order_of_classes(tmp_path):
    classes = ["fear", "happiness", "neutral"]
    path = teacher(tmp_path, "efficientface_ldg", classes, 32)
    task = make_task(
        tmp_path / "run", model="efficientface", losses={"label_distribution": 1.0}, loss=NO_CLASSES, teacher=path
    )
    assert_losses_fall(task, 8, rate=1e-2)
    batch = task.batch([0, 1, 2])
    with torch.no_grad():
        expected = create("efficientface_ldg", weights=path)(batch.pixels)
        prediction = task.objective.forward_pass(batch).teacher_prediction
    assert torch.allclose(prediction.expression_logits, expected[:, [1, 2, 0]], atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_can_be_combined_by_their_geometric_mean(tmp_path, smoothing):
    loss = {"expression": 2.0, "smoothing": smoothing}
    task = make_task(tmp_path, model="dan", size=64, losses={"affinity": 0.5}, combine="geometric_mean", loss=loss)
    batch = task.batch([0, 1, 2, 3])
    task.objective.eval()
    with torch.no_grad():
        forward_pass = task.objective.forward_pass(batch)
        logits, affinity = (
            forward_pass.prediction.expression_logits,
            task.objective.network_loss("affinity")(forward_pass),
        )
        labels = torch.nn.functional.cross_entropy(logits, batch.labels.expression, label_smoothing=smoothing)
        found = task.objective(batch)
    assert found.item() == pytest.approx((2 * labels * 0.5 * affinity).sqrt().item(), rel=1e-4)


def test_label_distribution_training_reads_no_labels(tmp_path):
    path = teacher(tmp_path, "efficientface_ldg", ["happiness", "neutral", "fear"], 32)
    changes = {"losses": {"label_distribution": 1.0}, "loss": NO_CLASSES, "teacher": path}
    task = make_task(tmp_path / "run", model="efficientface", **changes)
    batch = task.batch([0, 1, 2, 3])
    task.objective.eval()
    grads = []
    for expression in (batch.labels.expression, 2 - batch.labels.expression):
        task.objective.zero_grad()
        task.objective(replace(batch, labels=replace(batch.labels, expression=expression))).backward()
        grads.append([p.grad.clone() for p in task.objective.parameters() if p.grad is not None])
    assert grads[0] and all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_classes_without_votes_are_refused():
    card = card_of("psr").model_copy(update={"classes": ["neutral", "boredom"]})
    with pytest.raises(ConfigError, match=r"losses: pdls: no votes are known for boredom"):
        create_loss("pdls", create("psr", num_classes=2), LossContext(card))


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    path = teacher(tmp_path, "efficientface_ldg", ["fear", "anger"], 32)
    with pytest.raises(
        ConfigError, match="has the classes fear, anger; the network in training has happiness, neutral, fear"
    ):
        make_task(tmp_path / "run", model="efficientface", losses={"label_distribution": 1.0}, teacher=path)


def test_a_student_imitates_its_teacher_and_the_teacher_stays_unchanged(tmp_path):
    path = teacher(tmp_path, "aver_teacher", ["happiness", "neutral", "fear"], 96)
    student = {"model": "aver_student", "size": 96, "model_options": {"backbone": "densenet121"}, "teacher": path}
    task = make_task(tmp_path / "run", losses={"embedding": 1.0, "softened": 1.0}, loss=NO_CLASSES, **student)
    frozen = task.objective.teacher.network
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    assert_losses_fall(task, 4, 8)
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    assert not any("teacher" in name for name in task.objective.state_dict()), "the teacher is not part of a checkpoint"


def test_a_generator_of_the_authors_reads_crops_of_the_corpus_of_its_student(tmp_path):
    """Their files state no corpus; without that of the student, mean and std would be those of RAF-DB."""
    with torch.device("meta"):
        network = EfficientFaceLdg()
    named = {f"module.{name.removeprefix('trunk.')}": torch.zeros(x.shape) for name, x in network.state_dict().items()}
    torch.save({"state_dict": named}, tmp_path / "generator.pth.tar")
    card = card_of("efficientface", num_classes=7, corpus="caer_s")
    found = FrozenTeacher(LossContext(card, tmp_path / "generator.pth.tar"), "efficientface_ldg").card
    assert (found.mean, found.std) == (card.mean, card.std) and found.classes == card.classes


@pytest.mark.parametrize(
    ("name", "theirs"), [(EMBEDDING, "an embedding of 8 values"), ("efficientface_ldg", "no embedding")]
)
def test_a_teacher_without_an_embedding_of_the_same_width_is_refused(tmp_path, name, theirs):
    path = teacher(tmp_path, name, ["happiness", "neutral", "fear"], 32)
    student = {"model": "aver_student", "size": 32, "model_options": {"backbone": "densenet121"}, "teacher": path}
    task = make_task(tmp_path / "run", losses={"embedding": 1.0}, loss=NO_CLASSES, **student)
    with pytest.raises(ConfigError, match=f"the teacher has {theirs}, the network in training one of 32"):
        task.objective(task.batch([0, 1]))


def test_a_teacher_runs_once_per_batch_however_many_losses_read_it(tmp_path, monkeypatch):
    path = teacher(tmp_path, "aver_teacher", ["happiness", "neutral", "fear"], 96)
    student = {"model": "aver_student", "size": 96, "model_options": {"backbone": "densenet121"}, "teacher": path}
    loaded = count_calls(monkeypatch, FrozenTeacher, "__init__")
    task = make_task(tmp_path / "run", losses={"embedding": 1.0, "softened": 1.0}, loss=NO_CLASSES, **student)
    runs = count_calls(monkeypatch, type(task.objective.teacher.network), "predict")
    task.objective(task.batch([0, 1, 2]))
    assert (len(loaded), len(runs)) == (1, 1)


def count_calls(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[None]:
    """Return a list that grows with each call of a method."""
    calls, method = list[None](), getattr(kind, name)

    def counted(*arguments: object, **options: object) -> object:
        calls.append(None)
        return method(*arguments, **options)

    monkeypatch.setattr(kind, name, counted)
    return calls


class FeatureNorm(NetworkLoss):
    """A loss from outside avfer."""

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        return forward_pass.prediction.features.square().mean()


def test_a_loss_from_outside_is_named_by_its_module(tmp_path):
    name = f"{__name__}:FeatureNorm"
    task = make_task(tmp_path, losses={name: 1.0}, loss=NO_CLASSES)
    assert_losses_fall(task, 8)
    assert list(losses_of(task, task.batch([0, 1]))) == [name, "all"]


@pytest.mark.parametrize("name", ["tests.training.toy_images:Tiny", "tests.training.toy_images:SIDE"])
def test_a_loss_from_outside_of_another_class_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="must be a subclass of"):
        make_task(tmp_path, losses={name: 0.1})
