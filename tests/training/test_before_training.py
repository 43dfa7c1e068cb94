"""What is wrong of a corpus or a configuration is told before anything is trained, with the way out."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from avfer.datasets.example import Example, Labels, Notes
from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError
from avfer.training.data import labelled_partitions
from avfer.training.engine.checkpoint import NAME
from avfer.training.data.feature_cache import Features
from avfer.training.engine.output_folder import prepare_output
from avfer.training.data.labelled_partitions import read_partitions
from avfer.training.data.sequence_batches import Names, Recording
from avfer.training.train import train
from avfer.training.training_config import TrainConfig, make_config, read_config

HEAD = "path,partition,subject,time_s,valence,arousal\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def config(root: Path, rows: list[str], **changes: object) -> TrainConfig:
    (root / "labels.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    told = {"corpus": "table", "root": root, "output": root / "out", "device": "cpu"}
    return make_config({**told, **changes}, "the test")


BOTH = [
    "a.wav,train,ann,0.0,0.1,0.2",
    "a.wav,train,ann,0.04,0.2,0.1",
    "b.wav,dev,bob,0.0,0.3,0.1",
    "b.wav,dev,bob,0.04,0.2,0.4",
]


def changed(column: str, value: str, partition: str = "") -> list[str]:
    """The rows with another value in a column, of one partition or of both."""
    place, rows = HEAD.strip().split(",").index(column), [row.split(",") for row in BOTH]
    for row in rows:
        if partition in row[1]:
            row[place] = value
    return [",".join(row) for row in rows]


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        (BOTH[:2], {}, "the partition 'dev' .* is empty; there is: train; look at `avfer corpora check table"),
        (BOTH, {"dev": "test"}, "the partition 'test' .* is empty; there is: train, dev"),
        (
            BOTH,
            {"targets": ["valence_arousal", "expression"]},
            "'train' .* has no valid label of expression for targets: .*its 1 examples have .* arousal, valence",
        ),
        (changed("arousal", ""), {}, "'train' .* has no valid label of arousal"),
        (changed("arousal", "NaN", "dev"), {}, "'dev' .* has no valid label of arousal"),
        (changed("valence", "0.25", "train"), {}, "'train' .* has one valence alone, 0.25 throughout"),
        (changed("arousal", "-1", "dev"), {}, "'dev' .* has one arousal alone, -1.0 throughout"),
        (changed("subject", "ann"), {}, r"1 subject\(s\) .* in 'train' and in 'dev' \(ann\).*corpora check"),
        (changed("path", "c.wav", "dev"), {}, "line 4: 'c.wav' is not in"),
        (changed("valence", "inf", "dev"), {}, "line 4, valence: 'inf' is no number"),
        (changed("valence", "5", "dev"), {}, r"line 4: valence 5 is outside \[-1, 1\]"),
    ],
)
def test_partitions_that_cannot_be_trained_on_are_told(root, rows, changes, told):
    with pytest.raises(DatasetError, match=told):
        read_partitions(config(root, rows, **changes))


def test_a_table_without_partitions_is_told_how_to_share_it_out(root):
    (root / "labels.csv").write_text("path,valence,arousal\na.wav,0.1,0.2\nb.wav,0.2,0.1\n")
    told = make_config({"corpus": "table", "root": root}, "the test")
    with pytest.raises(DatasetError, match=r"'dev' .* is empty; .*no column partition.*split=70/15/15"):
        read_partitions(told)


@pytest.mark.parametrize(("expressions", "told"), [(("happy", "happy"), "one expression alone, happiness throughout")])
def test_one_class_alone_cannot_be_learned(root, expressions, told):
    rows = [f"{row},{name}" for row, name in zip(BOTH, (*expressions, "sad", "sad"), strict=True)]
    (root / "labels.csv").write_text(HEAD.strip() + ",expression\n" + "\n".join(rows))
    given = make_config({"corpus": "table", "root": root, "targets": ["expression"]}, "the test")
    with pytest.raises(DatasetError, match=told):
        read_partitions(given)


def test_a_class_that_only_dev_has_is_warned_of(root):
    rows = [f"{row},{name}" for row, name in zip(BOTH, ("happy", "sad", "sad", "fear"), strict=True)]
    (root / "labels.csv").write_text(HEAD.strip() + ",expression\n" + "\n".join(rows))
    given = make_config({"corpus": "table", "root": root, "targets": ["expression"]}, "the test")
    with pytest.warns(AvferWarning, match="'dev' has expressions that 'train' has not.*: fear$"):
        read_partitions(given)


def test_partitions_that_are_sound_are_read_and_told(root):
    told: list[tuple[object, ...]] = []
    given = config(root, [*BOTH, "b.wav,dev,bob,0.08,nan,0.3"])
    _, known, held = read_partitions(given, lambda *what: told.append(what))
    assert told == [
        ("train", 1, 1, "1 examples; valid labels: valence 2 of 2, arousal 2 of 2"),
        ("dev", 1, 1, "1 examples; valid labels: valence 2 of 3, arousal 3 of 3"),
    ]
    assert [e.subject for e in known] == ["ann"] and [e.subject for e in held] == ["bob"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"corpus": "recola"}, "RECOLA"),
        ({"corpus": "recolla"}, "did you mean 'recola'"),
        ({"dev": "test", "options": {"tabel": "x"}}, "unknown option 'tabel'"),
    ],
    ids=["another corpus", "no such corpus", "no such option"],
)
def test_a_root_or_name_that_does_not_fit_is_told(root, changes, told):
    with pytest.raises(AvferError, match=told):
        read_partitions(config(root, BOTH, **changes))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("corpus: table\nroot: .\nepoch: 3\n", "unknown key 'epoch'; did you mean 'epochs'"),
        ("corpus: table\nroot: .\noptimiser: {rate: fast}\n", r"optimiser\.rate: .*number.*'fast'"),
        ("corpus: table\nroot: .\ntargets: [smile]\n", r"targets\.0: "),
        ("- corpus\n", "must be a mapping"),
        ("corpus: table\nroot: .\naccumulate: 2\noptimiser: {sam: 0.05}\n", "x.yaml: optimiser.sam takes two passes"),
        ("corpus: table\nroot: .\noptimiser: {every: 0}\n", "optimiser.every.*greater than 0, not 0"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_configuration_that_is_none_is_told_with_the_key(tmp_path, content, told):
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ConfigError, match=told):
        read_config(tmp_path / "x.yaml")


def test_settings_reach_any_key(tmp_path):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\n")
    found = read_config(tmp_path / "x.yaml", {"optimiser.rate": 0.5, "root": "/there", "model_options.width": 7})
    assert (found.optimiser.rate, found.root, found.model_options) == (0.5, Path("/there"), {"width": 7})
    with pytest.raises(ConfigError, match="'corpus' has no options"):
        read_config(tmp_path / "x.yaml", {"corpus.name": "x"})


def begun(folder: Path, resume: bool = False, **changes: object) -> None:
    prepare_output(
        make_config({"corpus": "table", "root": ".", "output": folder, **changes}, ""), resume, nn.Linear(1, 1)
    )


def test_a_folder_with_a_training_is_gone_on_with_only_when_told(tmp_path):
    out = tmp_path / "out"
    begun(out, seed=1)
    begun(out, seed=2)  # nothing was trained yet
    (out / NAME).write_bytes(b"")
    with pytest.raises(ConfigError, match="--resume goes on"):
        begun(out, seed=2)
    begun(out, True, seed=2)
    with pytest.raises(ConfigError, match=r"another configuration \(batch: 16 before, 4 now; seed: 2 before, 3 now\)"):
        begun(out, True, seed=3, batch=4)


@pytest.mark.parametrize("change", [{"threads": 2}, {"workers": 3}, {"device": "cpu"}, {"patience": 50}])
def test_a_training_goes_on_elsewhere_and_for_longer(tmp_path, change):
    begun(tmp_path)
    (tmp_path / NAME).write_bytes(b"")
    begun(tmp_path, True, **change)
    assert read_config(tmp_path / "config.yaml").model_dump().items() >= change.items()


def test_going_on_where_nothing_is_begins_and_says_so(tmp_path):
    with pytest.warns(AvferWarning, match="holds no checkpoint: training begins anew"):
        begun(tmp_path / "out", True)
    assert (tmp_path / "out" / "config.yaml").exists()


def test_a_disk_that_cannot_hold_two_checkpoints_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40 << 20))
    small, large = nn.Linear(1000, 1000), nn.Linear(2000, 1000)
    given = make_config({"corpus": "table", "root": ".", "output": tmp_path}, "")
    prepare_output(given, False, small)
    with pytest.raises(ConfigError, match="40 MB free, checkpoints need 62 MB"):
        prepare_output(given, False, large)


@pytest.mark.parametrize("place", ["file", "file/below", "read_only"])
def test_an_output_that_cannot_be_written_is_told(tmp_path, read_only_folder, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cannot be written to: .*; choose another output:"):
        begun(tmp_path / place)


def test_a_kind_of_model_that_cannot_be_trained_is_told(root):
    with pytest.raises(ConfigError, match="mtcnn is a detector"):
        train(config(root, BOTH, model="mtcnn"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mix": {"mixup": 1.0}}, "mix: is read by face networks .*; temporal is none, so leave it out"),
        ({"losses": {"affinity": 1.0}}, "losses: is read by face networks"),
        ({"balance": "sampler"}, "balance: is read by face networks"),
        ({"size": 48}, "size: is read by networks that read crops"),
        ({"model": "dan", "delay": 2.0}, "delay: is read by models over time; dan is none"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(root, changes, told):
    with pytest.raises(ConfigError, match=told):
        train(config(root, BOTH, **changes))


@pytest.mark.parametrize("changes", [{"targets": []}, {"loss": {"valence_arousal": 0}}])
def test_a_configuration_that_learns_nothing_is_refused(root, changes):
    with pytest.raises(ConfigError, match="leave nothing to learn"):
        config(root, BOTH, **changes)


@pytest.mark.parametrize("mark", [np.nan, np.inf])
def test_a_label_that_is_no_number_is_told_with_its_step(monkeypatch, mark):
    values, times = np.array([0.1, mark, 0.2]), np.arange(3.0)
    sound = {name: Labels(np.array([0.1, 0.3, 0.2]), np.ones(3, bool)) for name in ("valence", "arousal")}
    broken = sound | {"valence": Labels(values, np.ones(3, bool))}
    masked = sound | {"valence": Labels(values, np.isfinite(values))}
    for labels, fault in ((broken, True), (masked, False)):
        corpus = Talks({"train": labels, "dev": sound})
        monkeypatch.setattr(partitions, "open_corpus", lambda *_, corpus=corpus, **__: corpus)
        given = make_config({"corpus": "table", "root": "."}, "")
        if fault:
            with pytest.raises(DatasetError, match="talk: the valence of step 1 is no number"):
                read_partitions(given)
            continue
        _, known, _ = read_partitions(given)
        some = Features(np.zeros((3, 1)), np.zeros((3, 0)), np.ones(3, bool), np.zeros(3, bool), times)
        recording = Recording.of(known[0], some, ["valence_arousal"], Names())
        assert recording.pair[:, 0] == pytest.approx([0.1, 0, 0.2])


class Talks:
    """One talk a partition."""

    name, distribution, protocol, partitions = "talks", "made", "", ("train", "dev")

    def __init__(self, labels: dict[str, dict[str, Labels]]) -> None:
        self.labels, self.notes = labels, Notes()

    def examples(self, partition: str) -> Iterator[Example]:
        yield Example("talk", partition, self.labels[partition], partition, times=np.arange(3.0))


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"epochs": 0}, "epochs: .*greater than 0, not 0"),
        ({"batch": -4}, "batch: .*greater than 0"),
        ({"ema": 1.0}, "ema: .*less than 1"),
        ({"optimiser": {"rate": float("nan")}}, r"optimiser\.rate: .*finite"),
        ({"delay": -1}, "delay: .*greater than or equal to 0"),
        ({"delay": {"valence": "soon"}}, r"delay\.valence: .*number"),
        ({"optimiser": {"rte": 1}}, "optimiser: unknown key 'rte'; did you mean 'rate'"),
        ({"augment": {"flipp": 1}}, "augment: unknown key 'flipp'; did you mean 'flip'"),
        ({"backbone": {"frozen": True}}, "backbone: name: is missing"),
    ],
)
def test_a_value_out_of_its_range_is_told_with_its_key(told, fault):
    with pytest.raises(ConfigError, match=fault):
        make_config({"corpus": "table", "root": ".", **told}, "x")


def test_settings_of_the_pipeline_are_set_from_the_command_line_too(tmp_path):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\nsettings: {look.backbone: dan, boxes.min_size: 20}\n")
    found = read_config(tmp_path / "x.yaml", {"settings.look.backbone": "poster"}).settings
    assert found == {"look.backbone": "poster", "boxes.min_size": 20}


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/train/*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_is_a_configuration_without_idle_keys(path, tmp_path):
    given = read_config(path, {"root": str(tmp_path)})
    with pytest.raises(DatasetError, match=re.escape(str(tmp_path))):  # nothing is there, which is all that is wrong
        train(given)
