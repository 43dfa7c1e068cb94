"""The face crops that end-to-end training reads: cut out of videos once, or images of the corpus."""

import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from avfer.errors import ConfigError, DatasetError
from avfer.pipeline_config import read_pipeline
from avfer.training.data.clip_cache import AudioOnlyCache, ClipCache
from tests.training import clip_corpus
from tests.training.end_to_end import make_task, settings


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return clip_corpus.write_clips(tmp_path_factory.mktemp("filmed") / "clips", audio=True)


def test_a_step_without_a_face_has_no_crop(clips, tmp_path):
    task = make_task(settings(clips, tmp_path, hidden=9))
    batch = task.batch([0])
    no_face = torch.arange(20) % 9 == 0
    assert torch.equal(batch.has_face[0], ~no_face)
    assert not batch.face[0, no_face].any()
    level = batch.face[0].float().mean((1, 2, 3))[~no_face]
    np.testing.assert_allclose(level, 128 + 80 * clip_corpus.truth(0)[0][:20][~no_face], atol=8)
    with torch.inference_mode():
        features = task.objective.eval().encode(batch).face
    assert not features[0, no_face].any() and features[0, ~no_face].any()


def test_all_crops_of_a_sequence_are_augmented_alike(clips, tmp_path):
    augment = {"flip": 0.5, "crop": 0.5, "jitter": 0.3, "turn": 20, "erase": 0.5}
    task = make_task(settings(clips, tmp_path, augment=augment))
    for recording in task.train.recordings:
        recording.inputs.face.rows[:] = 5  # the same crop at each step
    torch.manual_seed(0)
    faces, again = task.batch([0, 1, 2, 3, 4, 5]).face, task.batch([0, 1, 2, 3, 4, 5]).face
    assert all(torch.equal(face[1], face[2]) and torch.equal(face[1], face[13]) for face in faces)
    assert len({face[1].numpy().tobytes() for face in (*faces, *again)}) == 12
    assert task.objective.eval().predict_recording(task.dev[0], torch.device("cpu")).valence_arousal.isfinite().all()


def test_crops_are_computed_once_and_not_pickled_with_a_task(clips, tmp_path, monkeypatch):
    config = settings(clips, tmp_path)
    first = make_task(config)
    assert (
        sum(path.stat().st_size for path in tmp_path.glob("out/crops/*.crops")) == 6 * clip_corpus.STEPS * 32 * 32 * 3
    )
    monkeypatch.setattr(ClipCache, "_cut_out", lambda *_: pytest.fail("cut out again"))
    second = make_task(config)
    assert torch.equal(first.batch([3]).face, second.batch([3]).face)
    pickled = pickle.dumps(second.dev)
    assert len(pickled) < 50_000
    assert np.array_equal(pickle.loads(pickled)[0].inputs.face[40:43], second.dev[0].inputs.face[40:43])


def test_an_unreadable_video_is_found_at_the_start_if_only_its_audio_is_read(tmp_path):
    root = clip_corpus.write_face_images(clip_corpus.write_clips(tmp_path / "cropped", audio=True))
    (root / f"{clip_corpus.NUMBERS['dev'][0]}.mkv").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="1 unreadable recording"):
        make_task(settings(root, tmp_path, with_voice=True, options={"cropped": True}))
    examples = list(clip_corpus.FilmedClips(root, cropped=True).examples("dev"))
    with pytest.raises(DatasetError, match="1 unreadable recording"):
        AudioOnlyCache(audio=None).check(examples)


def test_images_of_a_corpus_are_read_in_place_of_its_videos(clips, tmp_path, monkeypatch):
    root = clip_corpus.write_face_images(clip_corpus.write_clips(tmp_path / "cropped", audio=True))
    monkeypatch.setattr(ClipCache, "_cut_out", lambda *_: pytest.fail("cut out of the video"))
    task = make_task(settings(root, tmp_path, with_voice=True, options={"cropped": True}))
    batch = task.batch([0])
    assert torch.equal(batch.has_face[0], torch.arange(20) % 10 > 0)
    assert batch.has_voice.all()
    np.testing.assert_allclose(batch.times[0], np.arange(20) / clip_corpus.FPS, atol=1e-3)
    scaled = Image.fromarray(clip_corpus.images(0)[1]).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(batch.face[0, 1], np.asarray(scaled))
    (root / "0" / "00001.png").write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"00001.png is not a readable picture"):
        task.batch([0])


def test_the_crops_of_a_whole_clip_are_cut_out_of_all_its_frames(clips, tmp_path):
    corpus = clip_corpus.WholeClips(clips)
    picture = clips / "face.png"
    examples = [replace(example, pictures=(picture,)) for example in corpus.examples("dev")]
    task = make_task(settings(clips, tmp_path, corpus="tests.training.clip_corpus:WholeClips", with_voice=True))
    source = task.dev[0].inputs
    assert len(source) == clip_corpus.STEPS and source.has_face.all() and source.has_voice.all()
    cache = ClipCache(
        read_pipeline(str(tmp_path / "toy.yaml")), task.card.model_copy(update={"size": 32}), None, tmp_path, "cpu"
    )
    assert cache.bytes_needed(examples) == 2 * clip_corpus.STEPS * 32**2 * 3
    assert len(cache.load(examples[0])) == clip_corpus.STEPS


def test_a_disk_without_room_for_the_crops_is_refused_before_any_is_computed(clips, tmp_path, monkeypatch):
    usage = SimpleNamespace(free=12 << 20)  # 600 crops of 32 px are 1.8 MB
    monkeypatch.setattr("avfer.training.engine.output_folder.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ConfigError, match="12 MB free, checkpoints and face crops need 14 MB"):
        make_task(settings(clips, tmp_path))
    assert not list(tmp_path.glob("out/crops/*.crops"))
