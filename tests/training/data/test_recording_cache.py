"""Recordings are checked before anything is computed from them."""

import pytest

from avfer.datasets.example import Example
from avfer.errors import DatasetError
from avfer.training.data.recording_cache import check_media


def test_a_recording_with_pictures_alone_needs_a_face_network(tmp_path):
    with pytest.raises(DatasetError, match="talk has images only: train a face network"):
        check_media([Example("talk", "train", {}, pictures=(None, tmp_path / "1.png"))])


def test_a_recording_of_which_nothing_is_there_is_counted_as_unreadable():
    examples = [Example(name, "train", {}, pictures=(None, None)) for name in ("talk", "play")]
    with pytest.raises(DatasetError, match=r"2 unreadable .* talk has labels but no video and no audio; play"):
        check_media(examples)
