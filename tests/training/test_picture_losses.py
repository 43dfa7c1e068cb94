"""Losses that face networks have of their own: each falls, each head beats chance, and nothing else is trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from avfer.errors import AvferWarning, ConfigError, DatasetError
from avfer.losses.aver_losses import triplet_accuracy
from avfer.models.factory import create
from avfer.models.weights import card_of, read_card
from avfer.signal.puzzle import puzzle, random_orders
from avfer.training.own_losses import Setting, own_loss
from avfer.training.passes import Pass
from tests.training.lessons import falls, learn, made, told
from tests.training.toy_pictures import teacher

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
def test_each_loss_falls_on_a_dozen_pictures(tmp_path, changes, steps):
    torch.manual_seed(0)
    falls(made(tmp_path, **changes), steps)


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
    falls(made(tmp_path, **changes | {"model_options": model_options}), 4, 6, **options)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["pdls", "branches"])
def test_psr_tells_sixteen_pictures_apart_within_sixty_steps(tmp_path, loss):
    torch.manual_seed(0)
    told = {"losses": {loss: 1.0}, "loss": NO_CLASSES, "options": VOTES | {"count": 16}}
    task = made(tmp_path, model="psr", size=64, model_options={"side": 64}, **told)
    batch = task.batch(list(range(16)))
    for _ in range(60 // 4):
        learn(task, batch, 4)
        with torch.no_grad():
            seen = Pass(task.objective.model, task.card, batch)
            cost = float(task.objective.own[loss][1](seen))
            accuracy = (seen.prediction.expression_logits.argmax(1) == batch.expression).float().mean()
        if cost < np.log(3) and accuracy > 0.9:
            return
    pytest.fail(f"after sixty steps a loss of {cost} and an accuracy of {accuracy}")


def test_puzzles_are_solved_above_chance_while_expressions_are_learned(tmp_path):
    heads = {"heads": ["expression", "puzzle"], "grid": 2}
    task = made(tmp_path, model="hmtl", model_options=heads, losses={"puzzle": 1.0})
    batch = task.batch(list(range(24)))
    task.objective.train()
    before = told(task, batch)
    learn(task, batch, 30, rate=3e-3)
    after = told(task, batch)
    assert after["puzzle"] < before["puzzle"] and after["all"] - after["puzzle"] < before["all"] - before["puzzle"]
    order = random_orders(24, 2)
    with torch.no_grad():
        solved: Tensor = task.objective.model.puzzle_logits(puzzle(batch.pixels, order)).argmax(2)
    assert (solved == order).float().mean() > 0.35, "chance is 0.25"


def test_pictures_are_made_whole_and_what_judges_them_stays_as_it_is(tmp_path):
    heads = {"heads": ["expression", "inpainting"]}
    with pytest.warns(AvferWarning, match="its network is random"):
        task = made(tmp_path, model="hmtl", model_options=heads, losses={"inpainting": 1.0})
    judge = {name: value.clone() for name, value in task.objective.parts.state_dict().items()}
    falls(task, 6)
    assert all(torch.equal(value, judge[name]) for name, value in task.objective.parts.state_dict().items())


@pytest.mark.parametrize(
    ("model", "size", "options", "gone"),
    [
        ("hmtl", 32, {"heads": ["expression", "puzzle"], "grid": 2}, "puzzle"),
        ("pf_vit", 224, {"size": "tiny", "generator": True}, "generator"),
    ],
)
def test_what_only_training_needs_is_left_out_of_the_weights(tmp_path, model, size, options, gone):
    task = made(tmp_path, model=model, size=size, model_options=options)
    task.export(task.objective, tmp_path, {"score": 0.5})
    card = read_card(tmp_path / "best.json")
    assert gone not in str(card.options)
    plain = create(model, weights=tmp_path / "best.safetensors")
    assert not any(name.startswith(gone) for name in plain.state_dict())
    pixels = task.batch([0, 1]).pixels
    with torch.no_grad():
        assert torch.equal(plain(pixels), task.objective.model.eval()(pixels))


def test_the_distribution_of_a_generator_is_learned_whatever_order_it_has(tmp_path):
    classes = ["fear", "happiness", "neutral"]
    path = teacher(tmp_path, "efficientface_ldg", classes, 32)
    task = made(
        tmp_path / "run", model="efficientface", losses={"label_distribution": 1.0}, loss=NO_CLASSES, teacher=path
    )
    falls(task, 8, rate=1e-2)
    batch = task.batch([0, 1, 2])
    generator = task.objective.own["label_distribution"][1].generator
    with torch.no_grad():
        wanted = create("efficientface_ldg", weights=path)(batch.pixels)
        prediction = generator(Pass(task.objective.model, task.card, batch))
    assert torch.allclose(prediction.expression_logits, wanted[:, [1, 2, 0]], atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_may_join_by_their_geometric_mean(tmp_path, smoothing):
    loss = {"expression": 2.0, "smoothing": smoothing}
    task = made(tmp_path, model="dan", size=64, losses={"affinity": 0.5}, combine="geometric_mean", loss=loss)
    batch = task.batch([0, 1, 2, 3])
    task.objective.eval()
    with torch.no_grad():
        seen = Pass(task.objective.model, task.card, batch)
        logits, own = seen.prediction.expression_logits, task.objective.own["affinity"][1](seen)
        labels = torch.nn.functional.cross_entropy(logits, batch.expression, label_smoothing=smoothing)
        found = task.objective(batch)
    assert found.item() == pytest.approx((2 * labels * 0.5 * own).sqrt().item(), rel=1e-4)


def test_labels_do_not_enter_where_a_distribution_is_learned(tmp_path):
    path = teacher(tmp_path, "efficientface_ldg", ["happiness", "neutral", "fear"], 32)
    told = {"losses": {"label_distribution": 1.0}, "loss": NO_CLASSES, "teacher": path}
    task = made(tmp_path / "run", model="efficientface", **told)
    batch = task.batch([0, 1, 2, 3])
    task.objective.eval()
    grads = []
    for labels in (batch.expression, 2 - batch.expression):
        task.objective.zero_grad()
        task.objective(replace(batch, expression=labels)).backward()
        grads.append([p.grad.clone() for p in task.objective.parameters() if p.grad is not None])
    assert grads[0] and all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_classes_that_nobody_voted_on_are_refused():
    card = card_of("psr").model_copy(update={"classes": ["neutral", "boredom"]})
    with pytest.raises(ConfigError, match=r"losses: pdls: no votes are known for boredom"):
        own_loss("pdls", create("psr", num_classes=2), Setting(card))


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    path = teacher(tmp_path, "efficientface_ldg", ["fear", "anger"], 32)
    with pytest.raises(
        ConfigError, match="tells the classes fear, anger; what is trained has happiness, neutral, fear"
    ):
        made(tmp_path / "run", model="efficientface", losses={"label_distribution": 1.0}, teacher=path)


def test_a_student_becomes_its_teacher_and_the_teacher_stays_as_it_is(tmp_path):
    path = teacher(tmp_path, "aver_teacher", ["happiness", "neutral", "fear"], 96)
    student = {"model": "aver_student", "size": 96, "model_options": {"backbone": "densenet121"}, "teacher": path}
    task = made(tmp_path / "run", losses={"embedding": 1.0, "softened": 1.0}, loss=NO_CLASSES, **student)
    asked = task.objective.own["embedding"][1].teacher.network
    before = {name: value.clone() for name, value in asked.state_dict().items()}
    falls(task, 4, 8)
    assert all(torch.equal(value, before[name]) for name, value in asked.state_dict().items())
    assert not any("teacher" in name for name in task.objective.state_dict()), "it is no part of a checkpoint"


def test_triplets_are_told_right_after_some_steps(tmp_path):
    torch.manual_seed(0)
    task = made(
        tmp_path, model="aver_student", size=64, model_options={"backbone": "densenet121"}, losses={"triplet": 1.0}
    )
    pixels = task.batch(list(range(12))).pixels
    faces = torch.tensor([[0, 3, 1], [1, 4, 2], [2, 5, 0], [6, 9, 7], [7, 10, 8]])  # by class, of three
    batch = replace(task.batch([0, 1, 2]), triplets=pixels[faces], margins=torch.full((5,), 0.2))
    falls_to = []
    for steps in (0, 8):
        learn(task, batch, steps)
        with torch.no_grad():
            embedding = task.objective.model.predict(batch.triplets.flatten(0, 1)).extras["embedding"]
            embedded = embedding.unflatten(0, (5, 3))
        falls_to.append((told(task, batch)["triplet"], float(triplet_accuracy(*embedded.unbind(1)))))
    assert falls_to[1][0] < 0.5 * falls_to[0][0]
    assert falls_to[1][1] == 1.0


TRIOS = {"corpus": "tests.training.toy_pictures:Trios", "batch": 9}


def test_triplets_stand_beside_every_batch_the_odd_one_last(tmp_path):
    task = made(tmp_path / "run", triplets={**TRIOS, "root": str(tmp_path)})
    assert len(task.batch([0, 1]).triplets) == 2, "a quarter of a batch has a quarter of them beside it"
    drawn = task.batch(list(range(8)))
    assert drawn.triplets.shape == (9, 3, 3, 32, 32)
    shown = (drawn.triplets * 0.2 + 0.4).mean((2, 3, 4)) * 255
    assert shown[:, 2].tolist() == pytest.approx([255.0] * 9, abs=0.1)
    assert torch.equal(shown[:, 0], shown[:, 1])
    numbers = (shown[:, 0] - 100).round().int().tolist()
    assert not {4, 9} & set(numbers), "what people dispute is not drawn"
    assert drawn.margins.tolist() == pytest.approx([0.1 + 0.1 * (number % 2) for number in numbers])


def test_triplets_of_fec_are_faces_cut_out_of_their_pictures(tmp_path):
    (tmp_path / "images").mkdir()
    cells = []
    for name, grey in (("a", 60), ("b", 200), ("c", 60)):
        pixels = np.zeros((40, 40, 3), np.uint8)
        pixels[10:30, 20:40] = grey
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
        cells += [f"http://faces/{name}.png", "0.5", "1.0", "0.25", "0.75"]
    annotators = [cell for number in range(6) for cell in (f"p{number}", "2")]
    row = ",".join([*cells, "ONE_CLASS_TRIPLET", *annotators])
    (tmp_path / "faceexp-comparison-data-train-public.csv").write_text(row + "\n")
    drawn = made(tmp_path / "run", triplets={"root": str(tmp_path), "batch": 8}).batch([0, 1])
    shown = (drawn.triplets * 0.2 + 0.4) * 255
    assert torch.allclose(shown[:, :2], torch.tensor(60.0), atol=0.1)
    assert torch.allclose(shown[:, 2], torch.tensor(200.0), atol=0.1)
    assert drawn.margins.tolist() == pytest.approx([0.1, 0.1])


def test_a_corpus_without_an_agreed_triplet_is_refused(tmp_path):
    trios = {**TRIOS, "root": str(tmp_path), "partition": "dev"}
    with pytest.raises(DatasetError, match=r"'dev' .* has 0 examples, and not one is of three pictures"):
        made(tmp_path / "run", triplets=trios)
