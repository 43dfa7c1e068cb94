"""smooth_affect: a centred moving average for each track on its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError
from avfer.stages.smooth import SmoothAffect
from avfer.types import Clock, FaceTracks
from tests.laws import assert_same, feed, part

COUNT = 40


def affect(times: np.ndarray, tracks: int = 2, missing: float = 0.2, seed: int = 0) -> AffectTrack:
    """Return random rows of some tracks; some rows are missing, some values are NaN."""
    rng = np.random.default_rng(seed)
    clock = Clock(0, times, np.zeros(len(times), bool), last=True)
    frames, ids = (a.ravel() for a in np.meshgrid(np.arange(len(times)), np.arange(tracks), indexing="ij"))
    kept = rng.uniform(size=len(frames)) >= missing
    frames, ids = frames[kept], ids[kept]
    n = len(frames)
    faces = FaceTracks(
        clock, frames, np.zeros((n, 4), np.float32), np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32), ids
    )
    expressions = rng.dirichlet(np.ones(3), n).astype(np.float32)
    valence = rng.uniform(-1, 1, n).astype(np.float32)
    valence[rng.uniform(size=n) < 0.1] = np.nan
    units = rng.uniform(size=(n, 2)).astype(np.float32)
    arousal = rng.uniform(-1, 1, n).astype(np.float32)
    return AffectTrack(
        clock, faces, valence, arousal, expressions, ("a", "b", "c"), units, ("AU01", "AU02"), np.ones(n, bool)
    )


def uneven(seed: int = 1) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.1, COUNT))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, COUNT), max_size=5), st.sampled_from([0.0, 0.1, 0.4, 9.0]))
def test_chunks_change_no_value(cuts: list[int], window: float) -> None:
    rows, stage = affect(uneven()), SmoothAffect(window)
    assert_same(feed(stage, [rows], cuts), feed(stage, [rows], []))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, COUNT), max_size=5))
def test_rows_before_and_after_a_step_back_in_time_are_not_mixed(cuts: list[int]) -> None:
    """As in files that were joined without new time stamps: the second part begins at 0 again."""
    times = uneven()
    rows = affect(np.concatenate([times[:15], times[: COUNT - 15]]), missing=0.0)
    smooth = feed(SmoothAffect(0.4), [rows], cuts)
    second = rows.faces.frames >= 15
    for i in range(len(rows)):
        near = (np.abs(rows.faces.times - rows.faces.times[i]) <= 0.2) & (second == second[i])
        near &= rows.faces.track_ids == rows.faces.track_ids[i]
        assert smooth.arousal[i] == pytest.approx(rows.arousal[near].mean(), abs=1e-6)


def test_each_value_is_the_mean_of_its_own_track_within_the_window() -> None:
    rows = affect(uneven(), missing=0.3)
    smooth = feed(SmoothAffect(0.4), [rows], [])
    times = rows.faces.times
    for i in range(len(rows)):
        near = (np.abs(times - times[i]) <= 0.2) & (rows.faces.track_ids == rows.faces.track_ids[i])
        assert smooth.arousal[i] == pytest.approx(rows.arousal[near].mean(), abs=1e-6)
        if np.isnan(rows.valence[i]):
            assert np.isnan(smooth.valence[i])
        else:
            assert smooth.valence[i] == pytest.approx(np.nanmean(rows.valence[near]), abs=1e-6)


def test_probabilities_still_sum_to_one() -> None:
    smooth = feed(SmoothAffect(0.4), [affect(uneven())], [])
    np.testing.assert_allclose(smooth.expressions.sum(1), 1, atol=1e-6)


def test_no_window_changes_nothing() -> None:
    rows = affect(uneven())
    assert_same(feed(SmoothAffect(0.0), [rows], []), rows)


def test_a_clip_without_rows_has_an_empty_result() -> None:
    assert len(feed(SmoothAffect(), [affect(uneven(), missing=1.1)], [3])) == 0


def test_rows_wait_only_until_their_window_is_known() -> None:
    rows, stage = affect(np.arange(COUNT) / 10, missing=0.0), SmoothAffect(0.4)
    state, first = stage.step(stage.start(), part(rows, 0, 20))
    assert first.clock.stop == 17  # windows of frames up to 1.6 s end before 1.9 s
    state, _ = stage.step(state, part(rows, 20, 35))
    assert state.waiting is not None and len(state.waiting.clock) <= 8


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="window"):
        SmoothAffect(-1)
