"""Partitions and their labels are checked before anything is trained."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avfer.datasets.example import Example, Labels, Notes
from avfer.errors import AvferError, AvferWarning, DatasetError
from avfer.training.data import labelled_partitions
from avfer.training.data.labelled_partitions import read_partitions
from avfer.training.labels import TargetNames, labels_of
from avfer.training.training_config import TrainConfig, make_config

HEAD = "path,partition,subject,time_s,valence,arousal\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def config(root: Path, rows: list[str], **changes: object) -> TrainConfig:
    (root / "labels.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    values = {"corpus": "table", "root": root, "output": root / "out", "device": "cpu"}
    return make_config({**values, **changes}, "the test")


BOTH = [
    "a.wav,train,ann,0.0,0.1,0.2",
    "a.wav,train,ann,0.04,0.2,0.1",
    "b.wav,dev,bob,0.0,0.3,0.1",
    "b.wav,dev,bob,0.04,0.2,0.4",
]


def changed(column: str, value: str, partition: str = "") -> list[str]:
    """Return the rows with another value in a column, in one partition or in both."""
    place, rows = HEAD.strip().split(",").index(column), [row.split(",") for row in BOTH]
    for row in rows:
        if partition in row[1]:
            row[place] = value
    return [",".join(row) for row in rows]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (BOTH[:2], {}, "the partition 'dev' .* is empty; the corpus has: train; run `avfer corpora check table"),
        (BOTH, {"dev": "test"}, "the partition 'test' .* is empty; the corpus has: train, dev"),
        (
            BOTH,
            {"targets": ["valence_arousal", "expression"]},
            "'train' .* has no valid label of expression for targets: .*; 1 example with valid labels of arousal, v",
        ),
        (changed("arousal", ""), {}, "'train' .* has no valid label of arousal"),
        (changed("arousal", "NaN", "dev"), {}, "'dev' .* has no valid label of arousal"),
        (changed("valence", "0.25", "train"), {}, "'train' .* has only one valence, 0.25:"),
        (changed("arousal", "-1", "dev"), {}, "'dev' .* has only one arousal, -1.0:"),
        (changed("subject", "ann"), {}, r"1 subject is in 'train' and in 'dev' of .* \(ann\).*corpora check"),
        (changed("path", "c.wav", "dev"), {}, "line 4: 'c.wav' is not in"),
        (changed("valence", "inf", "dev"), {}, "line 4, valence: .*'?inf"),
        (changed("valence", "5", "dev"), {}, r"line 4: valence .*\[-1, 1\]"),
    ],
)
def test_partitions_that_cannot_be_trained_on_are_refused(root, rows, changes, message):
    with pytest.raises(DatasetError, match=message):
        read_partitions(config(root, rows, **changes))


@pytest.mark.parametrize("partition", ["train", "dev"])
def test_intensities_of_action_units_are_refused(root, partition):
    values = {"train": "1", "dev": "0"} | {partition: "3.5"}
    rows = [f"a.wav,train,0,{values['train']}", f"b.wav,dev,0,{values['dev']}"]
    (root / "labels.csv").write_text("\n".join(["path,partition,time_s,au12", *rows]))
    config = make_config({"corpus": "table", "root": root, "targets": ["action_units"]}, "the test")
    with pytest.raises(DatasetError, match=r"its action units are intensities, up to 3\.5, .*0 where a unit is absent"):
        read_partitions(config)


def test_the_error_for_a_table_without_partitions_names_the_split_option(root):
    (root / "labels.csv").write_text("path,valence,arousal\na.wav,0.1,0.2\nb.wav,0.2,0.1\n")
    config = make_config({"corpus": "table", "root": root}, "the test")
    with pytest.raises(DatasetError, match=r"'dev' .* is empty; .*no column partition.*split=70/15/15"):
        read_partitions(config)


def test_a_single_class_is_refused(root):
    rows = [f"{row},{name}" for row, name in zip(BOTH, ("happy", "happy", "sad", "sad"), strict=True)]
    (root / "labels.csv").write_text(HEAD.strip() + ",expression\n" + "\n".join(rows))
    config = make_config({"corpus": "table", "root": root, "targets": ["expression"]}, "the test")
    with pytest.raises(DatasetError, match="only one expression, happiness:"):
        read_partitions(config)


def test_a_class_that_only_dev_has_causes_a_warning(root):
    rows = [f"{row},{name}" for row, name in zip(BOTH, ("happy", "sad", "sad", "fear"), strict=True)]
    (root / "labels.csv").write_text(HEAD.strip() + ",expression\n" + "\n".join(rows))
    config = make_config({"corpus": "table", "root": root, "targets": ["expression"]}, "the test")
    with pytest.warns(AvferWarning, match="'dev' has expressions that 'train' lacks.*: fear$"):
        read_partitions(config)


def test_valid_partitions_are_returned_and_reported(root):
    reports: list[tuple[object, ...]] = []
    experiment = config(root, [*BOTH, "b.wav,dev,bob,0.08,nan,0.3"])
    _, train, dev = read_partitions(experiment, lambda *report: reports.append(report))
    assert reports == [
        ("train", 1, 1, "1 example; valid labels: valence 2 of 2, arousal 2 of 2"),
        ("dev", 1, 1, "1 example; valid labels: valence 2 of 3, arousal 3 of 3"),
    ]
    assert [e.subject for e in train] == ["ann"] and [e.subject for e in dev] == ["bob"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": "recola"}, "RECOLA"),
        ({"corpus": "recolla"}, "did you mean 'recola'"),
        ({"dev": "test", "options": {"tabel": "x"}}, "unknown option 'tabel'"),
    ],
    ids=["another corpus", "unknown corpus", "unknown option"],
)
def test_a_wrong_root_corpus_or_option_is_refused(root, changes, message):
    with pytest.raises(AvferError, match=message):
        read_partitions(config(root, BOTH, **changes))


class Talks:
    """A corpus of one talk in each partition."""

    name, distribution, protocol, partitions = "talks", "made by a test", "", ("train", "dev")

    def __init__(self, labels: dict[str, dict[str, Labels]]) -> None:
        self.labels, self.notes = labels, Notes()

    def examples(self, partition: str) -> Iterator[Example]:
        yield Example("talk", partition, self.labels[partition], partition, times=np.arange(3.0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_label_is_refused_unless_it_is_masked(monkeypatch, value):
    values = np.array([0.1, value, 0.2])
    finite = {name: Labels(np.array([0.1, 0.3, 0.2]), np.ones(3, bool)) for name in ("valence", "arousal")}
    broken = finite | {"valence": Labels(values, np.ones(3, bool))}
    masked = finite | {"valence": Labels(values, np.isfinite(values))}
    config = make_config({"corpus": "table", "root": "."}, "")
    monkeypatch.setattr(labelled_partitions, "open_corpus", lambda *_, **__: Talks({"train": broken, "dev": finite}))
    with pytest.raises(DatasetError, match="talk: the valence of step 1 is valid but non-finite"):
        read_partitions(config)
    monkeypatch.setattr(labelled_partitions, "open_corpus", lambda *_, **__: Talks({"train": masked, "dev": finite}))
    _, train, _ = read_partitions(config)
    labels = labels_of(train[0], ["valence_arousal"], TargetNames())
    assert labels.valence_arousal[:, 0].tolist() == pytest.approx([0.1, 0, 0.2])
