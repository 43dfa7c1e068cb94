"""Training of face networks on images: targets are learned, batches are reproducible, wrong settings are refused."""

import pickle
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Example, Labels, Notes
from avfer.errors import ConfigError, DatasetError, WeightsError
from avfer.evaluation.picture_predictions import load_picture_network, predict_pictures
from avfer.models.card_files import read_card
from avfer.training.data.image_batches import LabelledImages, check_images
from avfer.training.images import image_task as image_tasks
from avfer.training.train_model import train
from tests.training.interrupted import assert_resumed_run_has_the_same_weights
from tests.training.loss_steps import make_task
from tests.training.toy_images import MODEL, NAME, settings

ALL = {"kinds": ("expression", "valence", "arousal", "action_units")}
EVERYTHING = {"targets": ["expression", "valence_arousal", "action_units"], "options": ALL | {"count": 48}}


class Files:
    """A corpus whose images are files."""

    name, distribution, protocol, partitions = "files", "made", "", ()

    def __init__(self, root):
        self.root, self.notes = root, Notes()

    def examples(self, partition):
        return iter(())


def test_every_target_is_learned_from_images(tmp_path):
    trained = train(settings(tmp_path, epochs=30, loss={"balanced": False}, **EVERYTHING))
    scores = trained.scores
    assert scores["accuracy"] > 0.95 and scores["f1_macro"] > 0.95 and scores["uar"] > 0.95
    assert scores["au_f1"] > 0.9
    assert min(scores["ccc_valence"], scores["ccc_arousal"]) > 0.6
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["loss"].iloc[-1] < 0.5 * table["loss"].iloc[0]


def test_the_card_lists_classes_in_order_and_evaluation_finds_the_same_accuracy(tmp_path):
    trained = train(settings(tmp_path, epochs=12))
    card = read_card(tmp_path / "best.json")
    assert card.classes == ["happiness", "neutral", "fear"]
    assert not card.valence_arousal and not card.action_units, "untrained heads are not on the card"
    corpus = open_corpus(NAME, "made")
    network = load_picture_network(MODEL, str(trained.weights), torch.device("cpu"))
    pairs = list(predict_pictures(network, corpus, corpus.examples("dev")))
    hits = [values[0, :3].argmax() == example.labels["expression"].values[0] for example, values in pairs]
    assert np.mean(hits) == pytest.approx({m.name: m.value for m in card.metrics}["accuracy"], abs=1e-4)


def test_votes_are_learned_if_the_corpus_has_them(tmp_path):
    voted = make_task(tmp_path / "a", options={"kinds": ("expression", "votes")})
    batch = voted.batch([0, 1, 2, 3])
    assert batch.labels.votes.sum(1).tolist() == [10.0] * 4
    loss = voted.objective(batch)
    shares = batch.labels.votes / 10
    logits = voted.objective.predict(batch.pixels).expression_logits
    divergences = (shares * (shares.log() - logits.log_softmax(1))).sum(1)
    assert loss.item() == pytest.approx(divergences.mean().item(), abs=1e-5)
    votes = batch.labels.votes * torch.tensor([[0.0], [1.0], [1.0], [1.0]])  # the first image has a class alone
    mixed = voted.objective(replace(batch, labels=replace(batch.labels, votes=votes)))
    of_class = torch.nn.functional.cross_entropy(logits[:1], batch.labels.expression[:1])
    assert mixed.item() == pytest.approx((of_class + divergences[1:].sum()).item() / 4, abs=1e-5)
    plain = make_task(tmp_path / "b", options={"kinds": ("expression", "votes")}, loss={"votes": False})
    expected = torch.nn.functional.cross_entropy(logits, batch.labels.expression)
    assert plain.objective(batch).item() == pytest.approx(expected.item(), abs=1e-5)


def test_images_without_a_label_or_a_file_leave_the_labels_of_the_others_at_their_place(tmp_path):
    card = make_task(tmp_path / "a").card.model_copy(update={"classes": ["fear", "neutral"]})
    some = example(tmp_path, ("a.png", None, "c.png", "d.png"))
    valid = np.array([False, True, True, True])
    labels = {"expression": Labels(np.array([-1, 0, 1, 0]), valid, ("neutral", "fear"))}
    images = LabelledImages.of(Files(tmp_path), [replace(some, labels=labels)], ["expression"], card)
    assert images.labels.expression.tolist() == [0, 1] and images.labels.expression_valid.all()
    assert [images.name(index) for index in range(len(images))] == ["x, step 2", "x, step 3"]


def test_the_sampler_draws_rare_classes_as_often(tmp_path):
    rare = {"count": 60, "rare": 5}
    drawn = {}
    for balance in ("none", "sampler"):
        some = make_task(tmp_path / balance, options=rare, balance=balance)
        torch.manual_seed(0)
        labels = torch.cat([some.batch(list(range(60))).labels.expression for _ in range(10)])
        drawn[balance] = torch.bincount(labels, minlength=3) / len(labels)
    assert drawn["none"].max() > 0.8
    assert drawn["sampler"].tolist() == pytest.approx([1 / 3] * 3, abs=0.07)


def test_an_image_without_a_class_is_drawn_like_one_of_an_average_class(tmp_path):
    """Classes have three, one and no images: two on average of those that occur."""
    images = make_task(tmp_path).train
    expression, valid = torch.tensor([0, 0, 0, 1, 0]), torch.tensor([True] * 4 + [False])
    labels = replace(images.labels.map(lambda x: x[:5]), expression=expression, expression_valid=valid)
    weights = image_tasks._draw_weights(replace(images, labels=labels), 3)
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2])


def test_without_targets_the_score_is_minus_the_mean_loss_of_all_images(tmp_path, monkeypatch):
    monkeypatch.setattr(image_tasks, "SCORE_BATCH", 5)  # the last batch is smaller
    task = make_task(tmp_path)
    expected = float(task.dev.batch(list(range(len(task.dev)))).pixels.mean())
    found = task._negative_loss(lambda batch: batch.pixels.mean(), torch.device("cpu"))
    assert len(task.dev) % 5 and found == pytest.approx({"score": -expected, "dev_loss": expected}, rel=1e-4)


def test_class_weights_are_inverse_to_the_class_counts(tmp_path):
    some = make_task(tmp_path, options={"count": 60, "rare": 5}, balance="weights")
    assert some.objective.class_weights.tolist() == pytest.approx([1.0, 13.0, 13.0])
    batch = some.batch(list(range(12)))
    losses = torch.nn.functional.cross_entropy(
        some.objective.predict(batch.pixels).expression_logits, batch.labels.expression, reduction="none"
    )
    expected = (losses * some.objective.class_weights[batch.labels.expression]).mean()
    assert some.objective(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_pickled_task_makes_the_same_batches(tmp_path):
    some = make_task(tmp_path, augment="strong", balance="sampler")
    other = pickle.loads(pickle.dumps(some))
    batches = []
    for each in (some, other):
        torch.manual_seed(2)
        batches.append(each.batch([0, 1, 2]).pixels)
    assert torch.equal(*batches)


def test_a_batch_has_at_least_two_images_for_batch_norm(tmp_path):
    assert len(make_task(tmp_path).batch([4]).pixels) == 2


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    changes = {"augment": "strong", "mix": {"mixup": 0.8, "cutmix": 1.0}, "balance": "sampler", "save_every": 1}
    assert_resumed_run_has_the_same_weights(tmp_path, lambda folder: settings(folder, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": {"afinity": 1.0}}, "did you mean 'affinity'"),
        (
            {"losses": {"affinity": 1.0}},
            "affinity needs feature_map of the network; .*Tiny with these model_options offers nothing",
        ),
        ({"model": "mae"}, "mae predicts no expressions"),
        ({"model": "dan", "targets": ["valence_arousal"], "options": ALL}, "dan has no head for valence_arousal"),
        ({"model_options": {"num_classes": 7}}, "num_classes is 7, but .* has 3: happiness, neutral, fear"),
        ({"model": "dan", "start": {"vgg": "x.pth"}}, "unknown part 'vgg'; .*resnet"),
        ({"loss": {"expression": 0.0}}, "leave nothing to learn"),
        (
            {"balance": "sampler", "targets": ["valence_arousal"], "options": ALL},
            r"balance: sampler .* rare expressions, which are not in targets:; .*--set balance=none",
        ),
        ({"model": "efficientface", "losses": {"label_distribution": 1.0}}, "a teacher is needed"),
        ({"size": 48}, "size: .*Tiny does not read crops of 48 px .*; --set size=null takes 32 px"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_training(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_task(tmp_path, **changes)
    assert not (tmp_path / "config.yaml").exists()


def test_a_non_finite_label_is_refused_with_its_image(tmp_path):
    with pytest.raises(DatasetError, match="train_5: the valence of step 0 is valid but non-finite"):
        make_task(tmp_path, targets=["valence_arousal"], options=ALL | {"broken": True})


def test_weights_of_other_classes_are_refused_unless_new_head_is_set(tmp_path):
    trained = train(settings(tmp_path / "two", options={"classes": 2}))
    message = "has 2 classes .happiness, neutral., but .* has 3.*new_head: true"
    with pytest.raises(ConfigError, match=message):
        make_task(tmp_path / "three", weights=str(trained.weights))
    some = make_task(tmp_path / "three", weights=str(trained.weights), new_head=True)
    old = load_picture_network(MODEL, str(trained.weights), torch.device("cpu")).network.state_dict()
    new = some.objective.model.state_dict()
    assert torch.equal(new["trunk.0.weight"], old["trunk.0.weight"])
    assert new["expression.weight"].shape == (3, 256)


def test_a_run_whose_corpus_has_other_classes_now_cannot_be_resumed(tmp_path):
    train(settings(tmp_path / "a", options={"classes": 2}))
    (tmp_path / "a" / "config.yaml").unlink()  # the classes of a table are no key of the recipe
    with pytest.raises(WeightsError, match=r"last\.ckpt does not fit the network: the corpus had other classes"):
        train(settings(tmp_path / "a"), resume=True)


def test_weights_keep_their_order_of_classes(tmp_path):
    trained = train(settings(tmp_path / "a"))
    card = read_card(trained.weights.with_suffix(".json")).model_copy(
        update={"classes": ["fear", "neutral", "happiness"]}
    )
    trained.weights.with_suffix(".json").write_text(card.model_dump_json())
    some = make_task(tmp_path / "b", weights=str(trained.weights))
    assert some.card.classes == ["fear", "neutral", "happiness"]
    assert some.batch([0, 1, 2]).labels.expression.tolist() == [2, 1, 0]


def test_the_card_states_the_terms_of_the_weights_that_training_started_from(tmp_path):
    trained = train(settings(tmp_path / "a"))
    path = trained.weights.with_suffix(".json")
    fresh = read_card(path)
    assert fresh.licence_weights == "as the terms of squares allow"
    path.write_text(fresh.model_copy(update={"licence_weights": "CC BY-NC-SA 4.0"}).model_dump_json())
    some = make_task(tmp_path / "b", weights=str(trained.weights))
    assert f"started from ({trained.weights}, licence: CC BY-NC-SA 4.0)" in some.card.licence_weights


def example(path: Path, names: tuple[str | None, ...], exists: bool = True) -> Example:
    """Return an example with an image for each name, None for a missing one."""
    for name in names if exists else ():
        if name is not None:
            Image.new("RGB", (8, 8)).save(path / name)
    t = max(len(names), 1)
    labels = {"expression": Labels(np.zeros(t, np.int64), np.ones(t, bool), ("neutral",))}
    return Example("x", "train", labels, pictures=tuple(name and path / name for name in names))


@pytest.mark.parametrize(
    ("names", "exists", "message"),
    [
        (("a.png", None), True, None),
        (("a.png", "b.png"), False, r"2 labelled images are missing, .*a\.png first"),
        ((), True, "no images for 1 of 1 example, x first: .*model: temporal"),
    ],
)
def test_missing_images_are_refused_before_training(tmp_path, names, exists, message):
    with pytest.raises(DatasetError, match=message) if message else nullcontext():
        check_images(Files(tmp_path), [example(tmp_path, names, exists)])


def test_a_network_whose_card_comes_with_weights_starts_untrained(tmp_path):
    """The card of aver_lite is beside its weights; a fresh network reads the same crops and has no metrics."""
    some = make_task(tmp_path, model="aver_lite", size=None)
    assert some.batch([0, 1]).pixels.shape == (2, 3, 48, 48)
    assert some.card.description == "Trained by avfer on squares." and not some.card.metrics and some.card.head is None
    assert some.card.options == {"num_classes": 3} and some.card.mean == [0.5] * 3
