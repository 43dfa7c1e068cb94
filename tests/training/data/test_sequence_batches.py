"""Recordings are cut into sequences that cover them, with times from the start and labels moved by the delay."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avfer.training.data.sequence_batches import Recording, Sequences, labels_at, stacked, whole
from tests.training import toy_recordings as toy


def numbered(length: int) -> Recording:
    """Return a recording whose step t has valence t / 100, arousal -t / 100 and the class t % 2."""
    known, steps = toy.recording(0, length), torch.arange(length)
    labels = replace(
        known.labels,
        valence_arousal=torch.stack([steps, -steps], 1) / 100,
        valence_arousal_valid=torch.ones(length, 2, dtype=torch.bool),
        expression=steps % 2,
    )
    return replace(known, labels=labels)


@pytest.mark.parametrize(
    ("length", "stride", "starts"),
    [(4, 4, [0, 4, 8]), (4, 2, [0, 2, 4, 6]), (4, 3, [0, 3, 6]), (10, 5, [0]), (20, 5, [0]), (9, 4, [0, 4])],
)
def test_sequences_start_at_each_stride_until_the_recording_is_covered(length, stride, starts):
    sequences = Sequences([numbered(10)], length, stride)
    assert [start for _, start in sequences.places] == starts
    batch = sequences.batch([len(starts) - 1])
    assert batch.labels.valence_arousal[0, -1, 0].item() == pytest.approx(0.09), "the last one has the last step"
    assert sequences.name(len(starts) - 1) == f"toy_0 from {starts[-1] * toy.STEP:.1f} s"


def test_times_are_seconds_from_the_start_of_a_sequence_and_padding_is_not_valid():
    long, short = numbered(30), numbered(5)
    batch = stacked([(long, slice(20, 28)), (short, slice(2, 8))])
    assert batch.times[0] == pytest.approx(np.arange(8) * toy.STEP, abs=1e-6)
    assert batch.valid.tolist() == [[True] * 8, [True] * 3 + [False] * 5]
    assert not batch.times[1, 3:].any() and not batch.labels.valence_arousal_valid[1, 3:].any()


def test_each_dimension_has_the_labels_of_its_delay_later_and_none_beyond_the_end():
    """0.11 s are 2.75 steps, of which the nearest number is 3; classes are not moved."""
    labels = labels_at(numbered(20), slice(10, 20), (0.11, 0.24))
    valence, arousal = (100 * labels.valence_arousal).T.round().int().tolist()
    assert valence == [13, 14, 15, 16, 17, 18, 19, 0, 0, 0] and arousal == [-16, -17, -18, -19, 0, 0, 0, 0, 0, 0]
    assert labels.valence_arousal_valid.sum(0).tolist() == [7, 4]
    assert labels.expression.tolist() == [0, 1] * 5


def test_the_label_of_a_whole_clip_is_not_moved_by_a_delay():
    labels = labels_at(replace(numbered(20), whole_clip=True), slice(10, 20), (9.0, 9.0))
    assert labels.valence_arousal[:, 0].tolist() == pytest.approx(np.arange(10, 20) / 100)
    assert labels.valence_arousal_valid.all()


def test_a_whole_recording_keeps_its_labels():
    recording = numbered(6)
    assert torch.equal(whole(recording).labels.valence_arousal[0], recording.labels.valence_arousal)


def test_a_missing_step_leaves_the_step_of_a_recording_as_it_is():
    recording = numbered(10)
    times = np.concatenate([recording.inputs.times[:6], recording.inputs.times[6:] + 30])
    assert replace(recording, inputs=replace(recording.inputs, times=times)).step == pytest.approx(toy.STEP)
