"""The front end of VGGish, against its published port."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.signal.log_mel import PATCH, PATCH_FRAMES, log_mel, mel_matrix, num_frames
from tests.golden.vggish_frontend import arrays, manifest, wave_16k


def examples(wave: np.ndarray) -> np.ndarray:
    """Return whole patches of 96 frames, one after another: (S,) -> (P, 1, 96, 64)."""
    frames = log_mel(torch.from_numpy(wave))
    count = len(frames) // PATCH_FRAMES
    return frames[: count * PATCH_FRAMES].reshape(count, 1, PATCH_FRAMES, 64).numpy()


def test_the_wave_of_the_golden_file_is_reproduced():
    np.testing.assert_allclose(wave_16k()[:64], arrays()["wave_16k_head"], atol=1e-9)


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-5)])
def test_patches_equal_those_of_the_published_port(kind, tolerance):
    found, wanted = examples(wave_16k().astype(kind)), arrays()["examples_16k"]
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance


def test_the_first_frame_equals_that_of_the_published_port():
    np.testing.assert_allclose(log_mel(torch.from_numpy(wave_16k()))[0], arrays()["log_mel_16k_frame0"], atol=1e-6)


def test_the_mel_matrix_is_linear_in_mel():
    notes, matrix = manifest()["mel_matrix"], mel_matrix().numpy()
    assert list(matrix.shape) == notes["shape"]
    assert matrix.sum() == pytest.approx(notes["sum"], abs=1e-9)
    np.testing.assert_allclose(matrix[:10, 0], notes["column_0"], atol=1e-12)
    assert list(np.flatnonzero(matrix[:, 63])[[0, -1]]) == notes["column_63_nonzero_bins"]


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (PATCH, 96)])
def test_samples_that_fill_no_frame_are_dropped(samples, frames):
    assert num_frames(samples) == frames
    assert log_mel(torch.zeros(samples)).shape == (frames, 64)


def test_silence_is_the_logarithm_of_the_offset():
    assert torch.all(log_mel(torch.zeros(4000)) == torch.tensor(0.01, dtype=torch.float64).log().float())


@settings(deadline=None, max_examples=20)
@given(st.integers(400, 40_000), st.integers(0, 40_000))
def test_later_samples_change_no_bit_of_a_frame(samples, more):
    wave = torch.randn(samples + more, generator=torch.Generator().manual_seed(samples)) * 0.1
    frames = log_mel(wave[:samples])
    assert torch.equal(frames, log_mel(wave)[: len(frames)])
