"""The second table of a clip: landmarks."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from avfer.cli import main
from avfer.export.table_reader import find_tables, read_landmarks
from avfer.landmark_tables import landmark_table
from avfer.models.face_measurer import LANDMARK_INDEX, NUM_LANDMARKS
from avfer.types import NO_TRACK
from tests.export.tracks import make_track
from tests.media_maker import write_clip

DEMO = Path(__file__).parent / "data" / "demo.mp4"
SECOND = ["--stop", "0.4", "--set", "measured.landmarks=true"]


def exit_code(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landmarks")
    assert exit_code(["run", "vision", "--input", str(DEMO), "--output", str(folder), "--quiet", *SECOND]) == 0
    return folder


def test_a_table_has_a_row_for_each_face_of_a_part_by_frame_then_track() -> None:
    """Frames 2 and 3 of a clip read at every fifth frame; the second row of frame 2 has no face."""
    track = make_track([(2, 7), (2, NO_TRACK), (2, 4), (3, 4)], 2, first=2)
    clock = replace(track.clock, numbers=np.array([10, 15]))
    points = np.arange(4 * NUM_LANDMARKS * 2, dtype=np.float32).reshape(4, NUM_LANDMARKS, 2)
    points[1] = np.nan
    faces = replace(track.faces, clock=clock)
    rows = landmark_table(replace(track, clock=clock, faces=faces, landmarks=points)).to_pylist()
    found = [(row["clip"], row["frame"], row["time_s"], row["track"]) for row in rows]
    assert found == [("talk.mp4", 10, 0.08, 4), ("talk.mp4", 10, 0.08, 7), ("talk.mp4", 15, 0.12, 4)]
    first, last = f"x{LANDMARK_INDEX[0]}", f"y{LANDMARK_INDEX[-1]}"
    assert [(row[first], row[last]) for row in rows] == [(points[i, 0, 0], points[i, -1, 1]) for i in (2, 0, 3)]


def test_run_writes_a_row_of_landmarks_for_each_face(written: Path) -> None:
    table = pq.read_table(written / "demo.parquet").to_pylist()
    faces = [(row["frame"], row["track"], row["time_s"]) for row in table if row["has_face"]]
    points = pq.read_table(written / "demo.landmarks.parquet")
    assert list(zip(*(points[name].to_pylist() for name in ("frame", "track", "time_s")), strict=True)) == faces
    assert points.column_names[:5] == ["clip", "source", "frame", "time_s", "track"]
    assert points.num_columns == 5 + 2 * len(LANDMARK_INDEX)


def test_landmarks_name_the_source_of_the_table_because_clips_may_share_a_name() -> None:
    points = np.zeros((1, NUM_LANDMARKS, 2), np.float32)
    track = replace(make_track([(0, 0)], 1), landmarks=points)
    assert track.source is not None
    nested = replace(track, source=replace(track.source, source="s1/talk.mp4"))
    for part, name in ((track, "talk.mp4"), (nested, "s1/talk.mp4")):
        assert landmark_table(part)["source"].to_pylist() == part.to_table()["source"].to_pylist() == [name]


def test_landmarks_lie_on_the_face(written: Path) -> None:
    box = pq.read_table(written / "demo.parquet").to_pylist()[0]
    face = pq.read_table(written / "demo.landmarks.parquet").to_pylist()[0]
    left, right = (np.array([face[f"x{point}"], face[f"y{point}"]]) for point in (468, 473))  # irises
    nose, chin = (np.array([face[f"x{point}"], face[f"y{point}"]]) for point in (4, 152))
    assert box["face_x1"] < left[0] < nose[0] < right[0] < box["face_x2"]
    assert box["face_y1"] < left[1] < nose[1] < chin[1]


def test_a_pipeline_without_landmarks_writes_no_second_table(tmp_path: Path) -> None:
    arguments = ["run", "vision", "--input", str(DEMO), "--output", str(tmp_path), "--quiet", "--stop", "0.2"]
    assert exit_code(arguments) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo.parquet"]


def test_landmarks_are_no_table_of_a_clip(written: Path) -> None:
    assert find_tables(written) == [written / "demo.parquet"]


def test_the_overlay_draws_the_landmarks_and_run_names_their_table(tmp_path: Path, capsys) -> None:
    run = ["run", "vision", "--input", str(DEMO), "--output", str(tmp_path), "--quiet", "--stop", "0.2"]
    assert exit_code([*run, "--draw", "landmarks"]) == 0
    outputs = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert outputs == ["demo.parquet", "demo.overlay.mp4", "demo.landmarks.parquet"]
    face = pq.read_table(tmp_path / "demo.landmarks.parquet").to_pylist()[0]
    with av.open(str(DEMO)) as before, av.open(str(tmp_path / "demo.overlay.mp4")) as after:
        pictures = [next(clip.decode(video=0)).to_ndarray(format="rgb24").astype(int) for clip in (before, after)]
    x, y = round(face["x1"]), round(face["y1"])  # tip of the nose
    plain, drawn = (picture[y - 2 : y + 3, x - 2 : x + 3].mean(2) for picture in pictures)
    assert drawn.max() > plain.max() + 20 and drawn.min() < plain.min() - 20  # a light point with a dark edge


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_clip_without_a_face_has_no_landmarks_to_draw(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / "empty.mp4", np.full((3, 120, 160, 3), 90, np.uint8))
    run = ["run", "vision", "--input", str(clip), "--output", str(tmp_path), "--quiet", "--format", ending]
    assert exit_code([*run, "--draw", "landmarks"]) == 0
    assert (tmp_path / "empty.overlay.mp4").exists()
    assert read_landmarks(tmp_path / f"empty.landmarks.{ending}") == {}


def test_landmarks_need_a_stage_that_adds_them(tmp_path: Path, capsys) -> None:
    run = ["run", "voice", "--input", str(DEMO), "--output", str(tmp_path), "--quiet", "--draw", "landmarks"]
    assert exit_code(run) == 2
    assert "add_measures" in capsys.readouterr().err
