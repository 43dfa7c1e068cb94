"""embed_voice: patches, their times, and the ends of the sound."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.signal.log_mel import PATCH, log_mel
from avfer.stages.embed_voice import BATCH, EmbedVoice
from avfer.types import AudioBatch
from tests.stages.sounds import RATE, WIDTH, chunks, hear, listener, noise, whole

CUTS = st.lists(st.integers(0, 5 * RATE), max_size=12)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return listener(tmp_path_factory.mktemp("weights"))


@settings(deadline=None, max_examples=15)
@given(CUTS)
def test_where_the_sound_is_cut_moves_no_bit(stage, cuts):
    wave = noise(5.13)
    for found, wanted in zip(whole(hear(stage, chunks(wave, cuts))), whole(hear(stage, chunks(wave, []))), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("cuts", [[], [7], [16_000 * n // 3 for n in range(1, 12)]])
def test_the_network_sees_full_batches_counted_from_the_start(stage, monkeypatch, cuts):
    seen, features = [], stage.embed
    monkeypatch.setattr(stage, "embed", lambda patches: (seen.append(patches), features(patches))[1])
    frames = log_mel(wave := noise(4.5))
    hear(stage, chunks(wave, cuts))
    assert [tuple(batch.shape) for batch in seen] == [(BATCH, 1, 96, 64)] * 3
    for row in range(18):
        patch = frames[20 * row : 20 * row + 96]
        assert torch.equal(seen[row // BATCH][row % BATCH, 0], patch)


def test_a_row_is_the_network_on_its_patch(stage):
    wave = noise(3.0)
    values, _ = whole(hear(stage, chunks(wave, [])))
    for row in (0, 3, len(values) - 1):
        patch = log_mel(wave[row * 3200 :][:PATCH])[None, None]
        with torch.inference_mode():
            np.testing.assert_allclose(stage.embed(patch)[0], values[row], atol=1e-5)


@pytest.mark.parametrize("start", [0.0, -0.25, 12.5])
@pytest.mark.parametrize("hop", [0.2, 0.04, 1.5])
def test_times_are_the_centres_of_the_patches(tmp_path, start, hop):
    _, times = whole(hear(listener(tmp_path, hop=hop), chunks(noise(4.0), [9000], start)))
    count = 1 + math.floor((4.0 - 0.975) / hop + 1e-9)
    np.testing.assert_allclose(times, start + np.arange(count) * hop + 0.4875, atol=1e-9)


def test_a_click_is_felt_by_the_patches_around_it(stage):
    wave = torch.zeros(4 * RATE)
    wave[2 * RATE : 2 * RATE + 50] = 0.9
    values, times = whole(hear(stage, chunks(wave, [])))
    felt = np.abs(values - values[0]).max(1) > 1e-6
    assert felt.any()
    assert np.all(np.abs(times[felt] - 2.0) <= 0.4875 + 0.005)


@pytest.mark.parametrize("samples", [1, 240, 8000, PATCH - 1])
def test_a_short_sound_is_one_patch_with_silence_behind_it(stage, samples):
    wave = noise(1.0)[:samples]
    values, times = whole(parts := hear(stage, chunks(wave, [samples // 2])))
    padded, _ = whole(hear(stage, chunks(torch.cat([wave, torch.zeros(PATCH - samples)]), [])))
    np.testing.assert_array_equal(values, padded)
    assert times == pytest.approx([0.4875])
    assert parts[-1].last
    assert parts[-1].stop == pytest.approx(samples / RATE)


def test_no_sound_gives_no_row_and_ends(stage):
    only = hear(stage, [AudioBatch(torch.zeros(1, 0), RATE, 0.0, 0, last=True, clip_stop=7.5)])[0]
    assert only.values.shape == (0, WIDTH)
    assert only.last
    assert only.clip_stop == 7.5
    assert math.isnan(only.start)


def test_rows_up_to_stop_have_all_been_given(stage):
    parts = hear(stage, chunks(noise(6.0), [RATE * n for n in range(1, 6)]))
    _, times = whole(parts)
    given = np.cumsum([len(p.times) for p in parts])
    for count, part in zip(given[:-1], parts[:-1], strict=True):
        assert np.all(times[count:] >= part.stop - 1e-9)
    assert parts[-1].stop == pytest.approx(6.0)


def test_chunks_after_the_end_give_nothing_more(stage):
    sounds = chunks(noise(2.0), [], clip_stop=3.0)
    after = AudioBatch(torch.zeros(1, 0), RATE, 2.0, 2 * RATE, last=True)
    parts = hear(stage, [*sounds, after, after])
    assert [len(p.times) for p in parts[1:]] == [0, 0]
    assert all(p.last and p.clip_stop == 3.0 and p.stop == pytest.approx(2.0) for p in parts)


def test_memory_stays_small(stage):
    state = stage.start()
    for sound in chunks(noise(30.0), [RATE * n for n in range(1, 30)]):
        state, _ = stage.step(state, sound)
        assert len(state.frames) < 400
        assert len(state.samples) < 3 * RATE


@pytest.mark.parametrize("hop", [0.0, 0.005, 0.123, -0.2])
def test_a_hop_between_frames_is_refused(hop):
    with pytest.raises(ConfigError, match=r"multiple of 0\.01"):
        EmbedVoice(hop=hop)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (16_000, 2)])
def test_another_rate_or_stereo_is_refused(stage, rate, channels):
    with pytest.raises(ConfigError, match=rf"not {channels} of {rate} Hz; set sample_rate: 16000"):
        stage.step(stage.start(), AudioBatch(torch.zeros(channels, 100), rate, 0.0, 0, last=False))


def test_missing_samples_are_told(stage):
    state, _ = stage.step(stage.start(), chunks(noise(1.0), [8000])[0])
    with pytest.raises(ValueError, match="samples 8000 to 9000 are missing"):
        stage.step(state, AudioBatch(torch.zeros(1, 10), RATE, 0.0, 9000, last=False))


def test_the_width_is_that_of_the_card(stage):
    assert stage.makes["voice"].width("voice") == WIDTH
