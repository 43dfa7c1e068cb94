"""The audio of training equals that of a pipeline: the same features at the same moments, and none in silence."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.datasets.example import Example
from avfer.pipeline import Pipeline
from avfer.pipeline_config import read_pipeline
from avfer.stages.join import JoinFeatures
from avfer.training.data.audio_cache import AudioCache
from avfer.training.data.recording_cache import stage_of, up_to
from avfer.types import Clip, JointFeatures
from tests.media_maker import stripes, write_clip
from tests.training import clip_corpus

RATE = 16_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Return a clip of 5 s with digital silence from 1 to 4 s, whose audio loses nothing in its coding."""
    noise = 0.1 * np.random.default_rng(1).standard_normal(5 * RATE).astype(np.float32)
    noise[RATE : 4 * RATE] = 0
    path = tmp_path_factory.mktemp("silence") / "a.mkv"
    return write_clip(path, stripes(125, 48, 48), sound=noise, sample_rate=RATE)


@pytest.mark.parametrize("patches", [False, True])
def test_training_and_inference_agree_on_the_voice(clip, tmp_path, patches):
    spec = read_pipeline(str(clip_corpus.write_pipeline(tmp_path / "toy.yaml", with_voice=True)))
    pipeline = Pipeline(up_to(spec, stage_of(spec, JoinFeatures)), "cpu", output=JointFeatures)
    parts = list(pipeline.values(Clip(clip)))
    has_voice, voice = np.concatenate([part.has_voice for part in parts]), torch.cat([part.voice for part in parts])
    times = np.concatenate([part.clock.times for part in parts])
    audio = AudioCache(spec, patches, tmp_path, "cpu").load(Example("a", "train", {}, video=clip), times)
    np.testing.assert_array_equal(audio.has_voice, has_voice)
    assert has_voice[times < 1].all() and not has_voice[(times > 1.6) & (times < 3.4)].any() and has_voice[-1]
    if not patches:
        np.testing.assert_array_equal(audio.values, voice.numpy())
