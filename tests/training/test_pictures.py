"""Training of face networks on pictures: all targets are learned, what is seen is told, what cannot work is refused."""

import io
import pickle
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Example, Labels, Notes
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.picture_predictions import load_picture_network, predict_pictures
from avfer.models.weights import read_card
from avfer.training.crops import check_pictures, picture
from avfer.training.pictures import PictureTask, picture_task
from avfer.training.train import train
from avfer.training.training_config import AUGMENTATIONS, Augmentation
from tests.training.resumed import ends_with_the_same_weights
from tests.training.toy_pictures import MODEL, NAME, settings

ALL = {"kinds": ("expression", "valence", "arousal", "action_units")}
EVERYTHING = {"targets": ["expression", "valence_arousal", "action_units"], "options": ALL | {"count": 48}}


class Files:
    """A corpus whose pictures are files."""

    name, distribution, protocol, partitions = "files", "made", "", ()

    def __init__(self, root):
        self.root, self.notes = root, Notes()

    def examples(self, partition):
        return iter(())


def quiet(*_: object) -> None:
    """Tell nothing."""


def task(folder, **changes) -> PictureTask:
    return picture_task(settings(folder, **changes), False, quiet)


def test_every_target_is_learned_from_pictures(tmp_path):
    trained = train(settings(tmp_path, epochs=30, loss={"balanced": False}, **EVERYTHING))
    scores = trained.scores
    assert scores["accuracy"] > 0.95 and scores["f1_macro"] > 0.95 and scores["uar"] > 0.95
    assert scores["au_f1"] > 0.9
    assert min(scores["ccc_valence"], scores["ccc_arousal"]) > 0.6
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["loss"].iloc[-1] < 0.5 * table["loss"].iloc[0]


def test_the_card_tells_classes_in_order_and_evaluation_finds_the_same_accuracy(tmp_path):
    trained = train(settings(tmp_path, epochs=12))
    card = read_card(tmp_path / "best.json")
    assert card.classes == ["happiness", "neutral", "fear"]
    assert not card.valence_arousal and not card.action_units, "heads that nothing trained are not told"
    corpus = open_corpus(NAME, "made")
    network = load_picture_network(MODEL, str(trained.weights), torch.device("cpu"))
    pairs = list(predict_pictures(network, corpus, corpus.examples("dev")))
    hits = [values[0, :3].argmax() == example.labels["expression"].values[0] for example, values in pairs]
    assert np.mean(hits) == pytest.approx({m.name: m.value for m in card.metrics}["accuracy"], abs=1e-4)


def test_votes_are_learned_where_they_are_told(tmp_path):
    voted = task(tmp_path / "a", options={"kinds": ("expression", "votes")})
    batch = voted.batch([0, 1, 2, 3])
    assert batch.votes.sum(1).tolist() == [10.0] * 4
    told = voted.objective(batch)
    shares = batch.votes / 10
    logits = voted.objective.predict(batch.pixels).expression_logits
    wanted = (shares * (shares.log() - logits.log_softmax(1))).sum(1).mean()
    assert told.item() == pytest.approx(wanted.item(), abs=1e-5)
    plain = task(tmp_path / "b", options={"kinds": ("expression", "votes")}, loss={"votes": False})
    wanted = torch.nn.functional.cross_entropy(logits, batch.expression)
    assert plain.objective(batch).item() == pytest.approx(wanted.item(), abs=1e-5)


@pytest.mark.parametrize("augment", ["light", "strong", {"flip": 0.5, "turn": 20, "zoom": [0.8, 1.0], "erase": 1.0}])
def test_what_is_seen_depends_on_the_random_state_alone(tmp_path, augment):
    one, many = (task(tmp_path / str(threads), augment=augment, workers=threads) for threads in (1, 4))
    seen = []
    for some in (one, many, one):
        torch.manual_seed(3)
        seen.append([some.batch([5, 2, 9]).pixels for _ in range(2)])
    assert all(torch.equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))
    assert not torch.equal(*seen[0]), "the same pictures look different the next time"


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_pictures_keep_size_and_range_whatever_happens_to_them(tmp_path, name):
    some = task(tmp_path, augment=name)
    pixels = some.batch(list(range(24))).pixels
    assert pixels.shape == (24, 3, 32, 32) and pixels.isfinite().all()
    shown = pixels * 0.2 + 0.4
    assert shown.min() > -1e-4 and shown.max() < 1 + 1e-4


@pytest.mark.parametrize(
    ("how", "changed"),
    [({"flip": 1.0}, "mirrored"), ({"erase": 1.0, "erase_area": [0.2, 0.2]}, "erased"), ({}, "nothing")],
)
def test_each_change_does_what_its_name_says(tmp_path, how, changed):
    plain = task(tmp_path / "a").batch([1, 2]).pixels
    seen = task(tmp_path / "b", augment=how).batch([1, 2]).pixels
    if changed == "mirrored":
        assert torch.allclose(seen, plain.flip(3), atol=1e-5)
    if changed == "nothing":
        assert torch.allclose(seen, plain, atol=1e-5)
    if changed == "erased":
        gone = (seen == 0).all(1)
        assert gone.float().mean((1, 2)).tolist() == pytest.approx([0.2, 0.2], abs=0.04)
        assert torch.allclose(seen.movedim(1, 3)[~gone], plain.movedim(1, 3)[~gone], atol=1e-5)


def test_rare_classes_are_drawn_as_often(tmp_path):
    rare = {"count": 60, "rare": 5}
    drawn = {}
    for balance in ("none", "sampler"):
        some = task(tmp_path / balance, options=rare, balance=balance)
        torch.manual_seed(0)
        labels = torch.cat([some.batch(list(range(60))).expression for _ in range(10)])
        drawn[balance] = torch.bincount(labels, minlength=3) / len(labels)
    assert drawn["none"].max() > 0.8
    assert drawn["sampler"].tolist() == pytest.approx([1 / 3] * 3, abs=0.07)


def test_rare_classes_weigh_as_much_more_as_they_are_rarer(tmp_path):
    some = task(tmp_path, options={"count": 60, "rare": 5}, balance="weights")
    assert some.objective.class_weights.tolist() == pytest.approx([1.0, 13.0, 13.0])
    batch = some.batch(list(range(12)))
    each = torch.nn.functional.cross_entropy(
        some.objective.predict(batch.pixels).expression_logits, batch.expression, reduction="none"
    )
    wanted = (each * some.objective.class_weights[batch.expression]).mean()
    assert some.objective(batch).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_task_goes_to_another_process_as_it_is(tmp_path):
    some = task(tmp_path, augment="strong", balance="sampler")
    other = pickle.loads(pickle.dumps(some))
    seen = []
    for each in (some, other):
        torch.manual_seed(2)
        seen.append(each.batch([0, 1, 2]).pixels)
    assert torch.equal(*seen)


def test_a_lone_picture_gets_company_so_that_batch_norm_can_learn(tmp_path):
    assert len(task(tmp_path).batch([4]).pixels) == 2


def test_a_training_that_was_interrupted_ends_with_the_same_weights(tmp_path):
    told = {"augment": "strong", "mix": {"mixup": 0.8, "cutmix": 1.0}, "balance": "sampler", "save_every": 1}
    ends_with_the_same_weights(tmp_path, lambda folder: settings(folder, **told))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"losses": {"afinity": 1.0}}, "did you mean 'affinity'"),
        ({"losses": {"affinity": 1.0}}, "affinity reads 'outputs', which"),
        ({"model": "mae"}, "mae tells no classes"),
        ({"model": "dan", "targets": ["valence_arousal"], "options": ALL}, "dan has no head for valence_arousal"),
        ({"model_options": {"num_classes": 7}}, "num_classes is 7, but .* has 3: happiness, neutral, fear"),
        ({"model": "dan", "start": {"vgg": "x.pth"}}, "unknown part 'vgg'; .*resnet"),
        ({"loss": {"expression": 0.0}}, "leave nothing to learn"),
        ({"model": "efficientface", "losses": {"label_distribution": 1.0}}, "a teacher is needed"),
    ],
)
def test_what_cannot_be_trained_is_told_before_it_starts(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        task(tmp_path, **changes)
    assert not (tmp_path / "config.yaml").exists()


def test_a_label_that_is_no_number_is_told_with_its_place(tmp_path):
    with pytest.raises(DatasetError, match="train_5: the valence of step 0 is no number"):
        task(tmp_path, targets=["valence_arousal"], options=ALL | {"broken": True})


def test_weights_of_other_classes_are_refused_and_their_trunk_can_be_kept(tmp_path):
    trained = train(settings(tmp_path / "two", options={"classes": 2}))
    wanted = "tells 2 classes apart .happiness, neutral., but .* has 3.*new_head: true"
    with pytest.raises(ConfigError, match=wanted):
        task(tmp_path / "three", weights=str(trained.weights))
    some = task(tmp_path / "three", weights=str(trained.weights), new_head=True)
    old = load_picture_network(MODEL, str(trained.weights), torch.device("cpu")).network.state_dict()
    new = some.objective.model.state_dict()
    assert torch.equal(new["trunk.0.weight"], old["trunk.0.weight"])
    assert new["expression.weight"].shape == (3, 256)


def test_weights_keep_their_order_of_classes(tmp_path):
    trained = train(settings(tmp_path / "a"))
    card = read_card(trained.weights.with_suffix(".json")).model_copy(
        update={"classes": ["fear", "neutral", "happiness"]}
    )
    trained.weights.with_suffix(".json").write_text(card.model_dump_json())
    some = task(tmp_path / "b", weights=str(trained.weights))
    assert some.card.classes == ["fear", "neutral", "happiness"]
    assert some.batch([0, 1, 2]).expression.tolist() == [2, 1, 0]


def damaged(kind: str) -> bytes:
    """A picture with a chunk of no name (PNG), or with a header that tells of a giant (BMP)."""
    noise, file = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8), io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    content = bytearray(file.getvalue())
    if kind == "PNG":
        content[content.rindex(b"IDAT")] = 0
    else:
        content[18:26] = (60_000).to_bytes(4, "little") * 2
    return bytes(content)


@pytest.mark.parametrize("content", [b"no picture", damaged("PNG"), damaged("BMP")], ids=["none", "chunk", "size"])
def test_a_picture_that_cannot_be_read_is_told_by_its_path(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    labels = {"expression": Labels(np.array([0]), np.array([True]), ("neutral",))}
    with pytest.raises(DatasetError, match=r"broken\.png is no readable picture"):
        picture(Files(tmp_path), Example("x", "train", labels, pictures=(path,)), 0)


def test_presets_are_augmentations_by_name(tmp_path):
    assert task(tmp_path, augment="strong").how == AUGMENTATIONS["strong"]
    assert task(tmp_path / "b", augment={"flip": 0.25}).how == Augmentation(flip=0.25)


def shown(path: Path, names: tuple[str | None, ...], there: bool = True) -> Example:
    """A picture for each name, None where there is none."""
    for name in names if there else ():
        if name is not None:
            Image.new("RGB", (8, 8)).save(path / name)
    t = max(len(names), 1)
    labels = {"expression": Labels(np.zeros(t, np.int64), np.ones(t, bool), ("neutral",))}
    return Example("x", "train", labels, pictures=tuple(name and path / name for name in names))


@pytest.mark.parametrize(
    ("names", "there", "told"),
    [
        (("a.png", None), True, None),
        (("a.png", "b.png"), False, r"2 pictures that have labels are not there, .*a\.png first"),
        ((), True, "1 of 1 examples are no pictures, x first: .*model: temporal"),
    ],
)
def test_pictures_that_are_not_there_are_told_before_training(tmp_path, names, there, told):
    with pytest.raises(DatasetError, match=told) if told else nullcontext():
        check_pictures(Files(tmp_path), [shown(tmp_path, names, there)])


def test_a_network_known_by_its_weights_alone_learns_from_the_start(tmp_path):
    """The card of aver_lite stands beside its weights: a fresh one reads the same crops and has learned nothing."""
    some = task(tmp_path, model="aver_lite", size=None)
    assert some.batch([0, 1]).pixels.shape == (2, 3, 48, 48)
    assert some.card.description == "Trained by avfer on squares." and not some.card.metrics and some.card.head is None
    assert some.card.options == {"num_classes": 3} and some.card.mean == [0.5] * 3
