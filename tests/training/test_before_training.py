"""What is wrong of a corpus or a configuration is told before anything is trained, with the way out."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avfer.datasets.example import Example, Labels
from avfer.errors import AvferError, ConfigError, DatasetError
from avfer.training import partitions
from avfer.training.config import TrainConfig, make_config, read_config
from avfer.training.embed import Features
from avfer.training.partitions import check_space, prepare_output, read_partitions
from avfer.training.sequences import Names, Recording
from avfer.training.train import train

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


BOTH = ["a.wav,train,ann,0.0,0.1,0.2", "a.wav,train,ann,0.04,0.1,0.2", "b.wav,dev,bob,0.0,0.3,0.1"]


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        (BOTH[:2], {}, "the partition 'dev' .* has nothing to learn valence_arousal from: 0 examples"),
        (
            BOTH,
            {"targets": ["expression"]},
            "nothing to learn expression from: 1 examples with labels of arousal, vale",
        ),
        (
            [*BOTH[:2], "b.wav,dev,ann,0,0,0"],
            {},
            r"1 subject\(s\) .* stand in 'train' and in 'dev' \(ann\).*corpora check",
        ),
    ],
    ids=["an empty partition", "no such label", "a leak"],
)
def test_partitions_that_cannot_be_trained_on_are_told(root, rows, changes, told):
    with pytest.raises(DatasetError, match=told):
        read_partitions(config(root, rows, **changes))


def test_partitions_that_are_sound_are_read(root):
    _, known, held = read_partitions(config(root, BOTH))
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
        ("- corpus\n", "no configuration"),
        ("corpus: table\nroot: .\naccumulate: 2\noptimiser: {sam: 0.05}\n", "x.yaml: optimiser.sam takes two passes"),
        ("corpus: table\nroot: .\noptimiser: {every: 0}\n", "optimiser.every.*greater than 0, not 0"),
        ("a: [", "is no YAML"),
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


def test_a_folder_with_a_training_is_gone_on_with_only_when_told(tmp_path):
    prepare_output(tmp_path / "out", False, "seed: 1\n")
    prepare_output(tmp_path / "out", False, "seed: 2\n")  # nothing was trained yet
    (tmp_path / "out" / partitions.NAME).write_bytes(b"")
    with pytest.raises(ConfigError, match="--resume goes on"):
        prepare_output(tmp_path / "out", False, "seed: 2\n")
    prepare_output(tmp_path / "out", True, "seed: 2\n")
    with pytest.raises(ConfigError, match="another configuration"):
        prepare_output(tmp_path / "out", True, "seed: 3\n")


def test_a_disk_that_cannot_hold_two_checkpoints_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40 << 20))
    check_space(tmp_path, 1_000_000)
    with pytest.raises(ConfigError, match="40 MB free, checkpoints need 62 MB"):
        check_space(tmp_path, 2_000_000)


def test_a_kind_of_model_that_cannot_be_trained_is_told(root):
    with pytest.raises(ConfigError, match="mtcnn is a detector"):
        train(config(root, BOTH, model="mtcnn"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"targets": []}, "targets: without one, .* temporal needs labels"), ({"mix": {"mixup": 1.0}}, "no recordings")],
)
def test_what_face_networks_alone_can_learn_is_refused_to_models_over_time(root, changes, told):
    with pytest.raises(ConfigError, match=told):
        train(config(root, BOTH, **changes))


def test_a_label_that_is_no_number_is_told_with_its_step():
    times = np.arange(3.0)
    values = np.array([0.1, np.nan, 0.2])
    some = Features(np.zeros((3, 1)), np.zeros((3, 0)), np.ones(3, bool), np.zeros(3, bool), times)
    broken = Example("talk", "train", {"valence": Labels(values, np.ones(3, bool))}, times=times)
    with pytest.raises(DatasetError, match="talk: the valence of step 1 is no number"):
        Recording.of(broken, some, ["valence_arousal"], Names())
    masked = Example("talk", "train", {"valence": Labels(values, np.isfinite(values))}, times=times)
    assert Recording.of(masked, some, ["valence_arousal"], Names()).pair[:, 0] == pytest.approx([0.1, 0, 0.2])


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/train/*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_is_a_configuration(path):
    assert read_config(path).corpus
