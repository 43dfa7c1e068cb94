"""embed_voice: patches, their times, and the start and end of the sound."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.signal.log_mel import PATCH, log_mel
from avfer.stages.decode_audio import DecodeAudio
from avfer.stages.embed_voice import BATCH, EmbedVoice
from avfer.types import AudioBatch
from tests.stages.sounds import RATE, WIDTH, chunks, embed, noise, small_embed_voice, whole

CUTS = st.lists(st.integers(0, 5 * RATE), max_size=12)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return small_embed_voice(tmp_path_factory.mktemp("weights"))


@settings(deadline=None, max_examples=15)
@given(CUTS)
def test_chunks_change_no_value(stage, cuts):
    wave = noise(5.13)
    for found, wanted in zip(
        whole(embed(stage, chunks(wave, cuts))), whole(embed(stage, chunks(wave, []))), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("cuts", [[], [7], [16_000 * n // 3 for n in range(1, 12)]])
def test_the_network_gets_full_batches_counted_from_the_start(stage, monkeypatch, cuts):
    batches, features = [], stage.network.voice_features
    monkeypatch.setattr(
        stage.network, "voice_features", lambda patches: (batches.append(patches), features(patches))[1]
    )
    frames = log_mel(wave := noise(4.5))
    embed(stage, chunks(wave, cuts))
    assert [tuple(batch.shape) for batch in batches] == [(BATCH, 1, 96, 64)] * 3
    for row in range(18):
        patch = frames[20 * row : 20 * row + 96]
        assert torch.equal(batches[row // BATCH][row % BATCH, 0], patch)


def test_a_row_equals_the_network_on_its_patch(stage):
    wave = noise(3.0)
    values, _ = whole(embed(stage, chunks(wave, [])))
    for row in (0, 3, len(values) - 1):
        patch = log_mel(wave[row * 3200 :][:PATCH])[None, None]
        with torch.inference_mode():
            np.testing.assert_allclose(stage.network.features(patch)[0], values[row], atol=1e-5)


@pytest.mark.parametrize("start", [0.0, -0.25, 12.5])
@pytest.mark.parametrize("hop", [0.2, 0.04, 1.5])
def test_times_are_the_centres_of_the_patches(tmp_path, start, hop):
    _, times = whole(embed(small_embed_voice(tmp_path, hop=hop), chunks(noise(4.0), [9000], start)))
    count = 1 + math.floor((4.0 - 0.975) / hop + 1e-9)
    np.testing.assert_allclose(times, start + np.arange(count) * hop + 0.4875, atol=1e-9)


def test_a_click_changes_only_the_patches_around_it(stage):
    wave = torch.zeros(4 * RATE)
    wave[2 * RATE : 2 * RATE + 50] = 0.9
    values, times = whole(embed(stage, chunks(wave, [])))
    changed = np.abs(values - values[0]).max(1) > 1e-6
    assert changed.any()
    assert np.all(np.abs(times[changed] - 2.0) <= 0.4875 + 0.005)


@pytest.mark.parametrize("samples", [1, 240, 8000, PATCH - 1])
def test_a_short_sound_is_one_patch_padded_with_silence(stage, samples):
    wave = noise(1.0)[:samples]
    values, times = whole(parts := embed(stage, chunks(wave, [samples // 2])))
    padded, _ = whole(embed(stage, chunks(torch.cat([wave, torch.zeros(PATCH - samples)]), [])))
    np.testing.assert_array_equal(values, padded)
    assert times == pytest.approx([0.4875])
    assert parts[-1].last
    assert parts[-1].stop == pytest.approx(samples / RATE)


def test_a_clip_without_sound_gives_no_row_and_ends(stage):
    only = embed(stage, [AudioBatch(torch.zeros(1, 0), RATE, 0.0, 0, last=True, clip_stop=7.5)])[0]
    assert only.values.shape == (0, WIDTH)
    assert only.last
    assert only.clip_stop == 7.5
    assert math.isnan(only.start)


def test_all_rows_before_stop_have_been_output(stage):
    parts = embed(stage, chunks(noise(6.0), [RATE * n for n in range(1, 6)]))
    _, times = whole(parts)
    counts = np.cumsum([len(p.times) for p in parts])
    for count, part in zip(counts[:-1], parts[:-1], strict=True):
        assert np.all(times[count:] >= part.stop - 1e-9)
    assert parts[-1].stop == pytest.approx(6.0)


def test_chunks_after_the_end_add_no_rows(stage):
    sounds = chunks(noise(2.0), [], clip_stop=3.0)
    after = AudioBatch(torch.zeros(1, 0), RATE, 2.0, 2 * RATE, last=True)
    parts = embed(stage, [*sounds, after, after])
    assert [len(p.times) for p in parts[1:]] == [0, 0]
    assert all(p.last and p.clip_stop == 3.0 and p.stop == pytest.approx(2.0) for p in parts)


def test_the_state_stays_small(stage):
    state = stage.start()
    for sound in chunks(noise(30.0), [RATE * n for n in range(1, 30)]):
        state, _ = stage.step(state, sound)
        assert len(state.frames) < 400
        assert len(state.samples) < 3 * RATE


@pytest.mark.parametrize("hop", [0.0, 0.005, 0.123, -0.2])
def test_a_hop_that_is_no_multiple_of_10_ms_is_refused(hop):
    with pytest.raises(ConfigError, match=r"multiple of 0\.01|must be in \[0\.01, 60\]"):
        EmbedVoice(hop=hop)


@pytest.mark.parametrize(("rate", "channels", "found"), [(44_100, 1, "1 channel"), (16_000, 2, "2 channels")])
def test_another_rate_or_stereo_is_refused(stage, rate, channels, found):
    with pytest.raises(ConfigError, match=f"got {found} at {rate} Hz; set sample_rate: 16000"):
        stage.step(stage.start(), AudioBatch(torch.zeros(channels, 100), rate, 0.0, 0, last=False))


def test_the_error_about_the_sound_names_options_that_exist(stage):
    with pytest.raises(ConfigError) as raised:
        embed(stage, [AudioBatch(torch.zeros(2, 100), 8000, 0.0, 0, last=True)])
    advice = str(raised.value).partition("; set ")[2].removesuffix(" on decode_audio")
    options = dict(text.split(": ") for text in advice.split(" and "))
    sound = DecodeAudio(**{name: int(value) if value.isdigit() else value for name, value in options.items()})
    assert sound.sample_rate == 16000 and sound.channel == "mix"


def test_missing_samples_are_an_error(stage):
    state, _ = stage.step(stage.start(), chunks(noise(1.0), [8000])[0])
    with pytest.raises(ValueError, match="samples 8000 to 9000 are missing"):
        stage.step(state, AudioBatch(torch.zeros(1, 10), RATE, 0.0, 9000, last=False))


def test_the_stage_declares_the_width_of_the_card(stage):
    assert stage.feature_cards["voice"].width("voice") == WIDTH


@pytest.mark.parametrize(("level", "silent"), [(0.0, True), (2.0**-16, True), (1e-3, False)])
def test_windows_of_digital_silence_are_marked(stage, level, silent):
    wave = torch.cat([noise(1.5), level * torch.randn(3 * RATE, generator=torch.Generator().manual_seed(2))])
    for cuts in ([], [3000, 31_000]):
        marks = np.concatenate([part.silent for part in embed(stage, chunks(wave, cuts))])
        starts = np.arange(len(marks)) * 0.2
        assert not marks[starts < 1.4].any()
        assert (marks[starts > 1.55] == silent).all()
