"""`avfer label` writes the table of landmarks beside the table of each clip, with the values of `avfer run`."""

from pyarrow.parquet import read_table

from tests.media_maker import write_clip
from tests.toy_detector import squares_clip


def test_label_writes_the_landmarks_that_run_writes(avfer, in_process, tmp_path):
    clip = write_clip(tmp_path / "talk.mkv", squares_clip(4), 10)
    options = ("--set", "measured.landmarks=true", "--set", "boxes.detector=tests.toy_detector:Squares")
    for command in ("run", "label"):
        arguments = ("vision", "--input", clip, "--output", tmp_path / command, "--device", "cpu", "--quiet")
        assert avfer(command, *arguments, *options).code == 0
    ours = read_table(tmp_path / "label/landmarks/talk.mkv.parquet")
    assert len(ours) >= 4
    assert ours.equals(read_table(tmp_path / "run/talk.landmarks.parquet"))
