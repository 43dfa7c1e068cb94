import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import avfer
from avfer.datasets.aff_wild2 import AffWild2
from avfer.datasets.aff_wild2_labels import UNITS as UNIT_NAMES
from avfer.datasets.gold_standard import avec
from avfer.datasets.recola import Recola
from avfer.metrics import pcc
from tools.demo_speech import RATE
from tools.make_twin import main
from tools.twin import recola
from tools.twin.expressions import UNITS, units_of
from tools.twin.signals import affect, episodes, late, opening, ratings, talking, times_of
from tools.twin.voice import Speaker, voice, word

SECONDS = 4
TASKS = ("VA_Estimation_Challenge", "EXPR_Recognition_Challenge", "AU_Detection_Challenge")


@pytest.fixture(scope="module")
def recola_twin(tmp_path_factory) -> Path:
    return made("recola", tmp_path_factory.mktemp("recola"), seed=3)


@pytest.fixture(scope="module")
def aff_wild2_twin(tmp_path_factory) -> Path:
    return made("aff_wild2", tmp_path_factory.mktemp("aff_wild2"), seed=3)


def made(corpus: str, folder: Path, seed: int, subjects: int = 2, seconds: int = SECONDS) -> Path:
    main([corpus, str(folder), f"--seed={seed}", f"--subjects={subjects}", f"--seconds={seconds}"])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def numbers(rng: int = 0) -> np.random.Generator:
    return np.random.default_rng(rng)


@pytest.mark.parametrize("name", ["train_1", "dev_1"])
@pytest.mark.parametrize(
    "place",
    [
        "recordings_video/{}.mp4",
        "recordings_audio/{}.wav",
        "ratings_individual/arousal/{}.csv",
        "ratings_individual/valence/{}.csv",
        "ratings_gold_standard/arousal/{}.arff",
        "ratings_gold_standard/valence/{}.arff",
    ],
)
def test_files_of_recola_have_the_paths_of_avec_2016(recola_twin, place, name):
    assert (recola_twin / place.format(name)).stat().st_size > 500


def test_the_reader_of_recola_finds_no_fault(recola_twin):
    corpus = Recola(recola_twin)
    examples = [example for partition in ("train", "dev") for example in corpus.examples(partition)]
    assert [example.id for example in examples] == ["train_1", "dev_1"]
    for example in examples:
        assert example.times is not None and np.allclose(example.times, np.arange(SECONDS * 25 + 1) * 0.04)
        assert all(example.labels[name].valid.all() for name in ("valence", "arousal"))
        assert example.labels["raters_arousal"].values.shape == (SECONDS * 25 + 1, 6)
    assert not corpus.notes.faults


def test_the_gold_standard_follows_from_the_ratings(recola_twin):
    (example,) = Recola(recola_twin).examples("train")
    for name in ("valence", "arousal"):
        made_again = avec(example.labels[f"raters_{name}"].values.T)
        np.testing.assert_allclose(example.labels[name].values, made_again, atol=1e-6)


@pytest.mark.parametrize("seed,same", [(3, True), (4, False)])
def test_the_same_seed_gives_the_same_bytes(recola_twin, tmp_path, seed, same):
    first, second = contents(recola_twin), contents(made("recola", tmp_path / "again", seed))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]) == same for name in first)


@pytest.mark.parametrize("name", ["train_1", "dev_1"])
def test_a_face_is_found_in_every_frame(recola_twin, name):
    table = avfer.load("vision", device="cpu").run(recola_twin / "recordings_video" / f"{name}.mp4").to_pandas()
    assert table["frame"].tolist() == list(range(SECONDS * 25))
    assert table["track"].nunique() == 1
    assert table["valence"].notna().all()


def test_the_truth_of_every_recording_is_written(recola_twin):
    truth = json.loads((recola_twin / "truth.json").read_text())
    assert truth["delays_s"] == {"arousal": 2.0, "valence": 2.8}
    assert {name: len(one["valence"]) for name, one in truth["recordings"].items()} == {"train_1": 100, "dev_1": 100}


@pytest.mark.parametrize("delay", [0.0, 2.0, 2.8])
def test_ratings_follow_the_signal_after_the_delay(delay):
    signal = affect(numbers(), 60, 25)[0]
    at = times_of(60, 25)
    gold = avec(ratings(numbers(1), signal, delay, at, 25))
    grid = np.arange(0, 5, 0.2)
    fits = [pcc(late(signal, tried, at, 25), gold) for tried in grid]
    assert grid[int(np.argmax(fits))] == pytest.approx(delay)
    assert max(fits) > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_valence_and_arousal_are_uncorrelated_at_every_lag(seed):
    valence, arousal = affect(numbers(seed), 60, 25)
    assert max(np.abs(valence).max(), np.abs(arousal).max()) < 1
    assert min(valence.std(), arousal.std()) > 0.4
    assert max(abs(pcc(np.roll(valence, lag), arousal)) for lag in range(0, 1500, 25)) < 0.35


def test_a_word_is_louder_higher_and_faster_with_arousal():
    calm, lively = (word(Speaker(190, 0.085), "na", arousal, 0.0, 2.0) for arousal in (-0.9, 0.9))
    assert lively.loudness > 10 * calm.loudness
    assert min(lively.pitch) > 1.5 * max(calm.pitch)
    assert lively.pace < 0.6 * calm.pace


def test_loudness_follows_arousal_without_clipping():
    arousal = np.repeat([-0.9, 0.9], 50)
    sound = voice(numbers(), Speaker(190, 0.085), arousal, [(0.0, 3.8)], 25)
    calm, lively = np.split(sound, 2)
    assert sound.shape == (4 * RATE,) and np.abs(sound).max() <= 1
    assert lively.std() > 5 * calm.std() > 0


def test_the_mouth_is_open_during_speech_only():
    spans = talking(numbers(), 20)
    mouth, times = opening(numbers(), spans, 20, 25), times_of(20, 25)
    silent = np.all([(times < start) | (times > stop) for start, stop in spans], 0)
    assert silent.any() and not mouth[silent].any()
    assert mouth[~silent].max() > 0.7 and mouth.min() >= 0


@pytest.mark.parametrize(
    "expression,strength,gap,units",
    [
        ("neutral", 0.0, 0.0, set()),
        ("neutral", 0.0, 0.4, {25}),
        ("neutral", 0.0, 0.9, {25, 26}),
        ("happiness", 0.9, 0.0, {6, 12, 25}),
        ("happiness", 0.3, 0.0, set()),
        ("surprise", 0.9, 0.0, {1, 2, 25, 26}),
        ("anger", 0.9, 0.0, {4, 7, 23, 24}),
        ("anger", 0.9, 0.5, {4, 7, 23, 25}),
        ("sadness", 0.9, 0.0, {1, 4, 15}),
    ],
)
def test_action_units_follow_expression_and_mouth(expression, strength, gap, units):
    assert {unit for unit, acts in zip(UNITS, units_of(expression, strength, gap), strict=True) if acts} == units


def test_every_expression_occurs():
    shown = episodes(numbers(), 60, 30)
    assert len(set(shown.expression)) == 8
    assert shown.strength.min() == 0 and 0.75 < shown.strength.max() <= 1


def test_action_units_have_the_names_of_the_corpus():
    assert tuple(f"AU{unit:02d}" for unit in UNITS) == UNIT_NAMES


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("folder,side", [("Train_Set", "_left"), ("Validation_Set", "")])
def test_files_of_aff_wild2_have_the_paths_of_abaw(aff_wild2_twin, task, folder, side):
    files = sorted((aff_wild2_twin / "6th_ABAW_Annotations" / task / folder).glob("*.txt"))
    assert len(files) == (2 if side else 1)
    assert files[0].stem.endswith(side)
    assert (aff_wild2_twin / "batch1" / f"{files[0].stem.removesuffix(side)}.mp4").exists()


@pytest.mark.parametrize("task,mark", [*zip(TASKS, ("-5,-5", "-1", ",".join(["-1"] * 12)), strict=True)])
def test_some_frames_have_no_label(aff_wild2_twin, task, mark):
    for path in (aff_wild2_twin / "6th_ABAW_Annotations" / task).rglob("*.txt"):
        assert mark in path.read_text().splitlines()[1:]


@pytest.mark.parametrize("task", ["va", "expr", "au", "mtl"])
def test_the_reader_of_aff_wild2_masks_missing_labels(aff_wild2_twin, task):
    corpus = AffWild2(aff_wild2_twin, task=task)
    examples = [example for partition in ("train", "dev") for example in corpus.examples(partition)]
    assert [example.id for example in examples] == ["1-30-256x256_left", "1-30-256x256_right", "video2"]
    for example in examples:
        assert example.video is not None and any(picture is not None for picture in example.pictures)
        for labels in example.labels.values():
            assert labels.valid.any()
            known = labels.values[labels.valid]
            assert (known >= -1).all() and (known <= 7).all()
        assert task == "mtl" or not all(labels.valid.all() for labels in example.labels.values())
    assert not corpus.notes.faults


def test_a_video_of_two_people_is_twice_as_wide(aff_wild2_twin):
    widths = {}
    for path in (aff_wild2_twin / "batch1").glob("*.mp4"):
        with av.open(str(path)) as container:
            widths[path.stem] = container.streams.video[0].width
    assert widths == {"1-30-256x256": 512, "video2": 256}


def test_some_crops_are_missing(aff_wild2_twin):
    for folder in (aff_wild2_twin / "cropped_aligned").iterdir():
        found = sorted(int(path.stem) for path in folder.glob("*.jpg"))
        assert 0 < len(found) < SECONDS * 30
        with Image.open(folder / f"{found[0]:05d}.jpg") as picture:
            assert picture.size == (112, 112)


def test_a_folder_with_files_is_not_changed(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit):
        main(["recola", str(tmp_path)])
    assert "not empty" in capsys.readouterr().err
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_two_thirds_of_the_recordings_are_for_training(tmp_path, monkeypatch):
    names: list[str] = []
    monkeypatch.setattr(recola, "Drawings", lambda expressions: None)
    monkeypatch.setattr(recola, "_record", lambda *_: None)
    recola.make(tmp_path, 1, 9, 4.0, names.append)
    assert names[:-1] == [*(f"train_{n}" for n in range(1, 7)), *(f"dev_{n}" for n in range(1, 4))]
    assert names[-1].startswith("labels follow after 2.8 s (valence) and 2.0 s (arousal)")
