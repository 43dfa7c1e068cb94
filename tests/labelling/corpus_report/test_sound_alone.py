"""Clips of sound alone in the report of a corpus: their rows are no frames."""

import pyarrow as pa

from tests.labelling.corpus_report.test_corpus_page import report
from tests.labelling.labelled_folder import LabelledClip, clip_table, write_labelled_folder


def test_rows_of_sound_alone_are_no_frames_whatever_their_reasons(tmp_path):
    voice = clip_table([0.1, None, 0.2], tracks=[None] * 3)  # with speech and without
    voice = voice.append_column("frame", pa.nulls(3, pa.int64()))
    video = clip_table([0.5, None], tracks=[0, None]).append_column("frame", pa.array([0, 1]))
    clips = [LabelledClip("a.wav", voice), LabelledClip("b.mp4", video)]
    page = report(write_labelled_folder(tmp_path / "labels", clips), tmp_path / "corpus.html")
    columns = [column["title"] for column in page.data["clips"]["columns"]]
    rows = {row[0]: dict(zip(columns, row, strict=False)) for row in page.data["clips"]["rows"]}
    assert (rows["a.wav"]["Face"], rows["a.wav"]["Frames"]) == (None, None)
    assert (rows["b.mp4"]["Face"], rows["b.mp4"]["Frames"]) == (0.5, 2)
    assert "Frames2" in page.text and "With a face50.0%" in page.text
