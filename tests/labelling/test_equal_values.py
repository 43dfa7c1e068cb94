"""`avfer run`, `avfer label` and Python give equal values for every option that chooses parts of clips."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from avfer.affect_track import AffectTrack
from avfer.labelling import label_corpus
from avfer.labelling.checked_pipeline import CheckedPipeline, fingerprint
from avfer.pipeline import Pipeline, load
from avfer.pipeline_config import PipelineSpec
from avfer.provenance_comparison import pipeline_sha256
from tests.media_maker import tone, write_clip
from tests.toy_detector import SQUARE, squares_clip

FACES = {"boxes.detector": "tests.toy_detector:Squares", "boxes.every": 3}  # the embedded networks, on red squares
FPS = 5
Tables = dict[str, pa.Table]  # by the id of the clip
pytestmark = pytest.mark.filterwarnings("ignore:baseline. a person has fewer than")  # the clips are short


@dataclass(frozen=True)
class Case:
    """Some options as they are written on the command line and in Python, and the clips that they lead to."""

    flags: str = ""  # those of the command line that are not --set
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    given: str = "talk.mkv"  # --input
    clips: dict[str, tuple[str, str | None]] = field(default_factory=lambda: {"talk.mkv": ("talk.mkv", None)})
    pipeline: str = "aver"
    changes_values: bool = True  # compared with the clip without options

    @property
    def settings(self) -> dict[str, Any]:
        """The overrides of the pipeline for `avfer.load`."""
        return (FACES if self.pipeline == "aver" else {}) | self.options


def of_one(name: str, sound: str | None = None) -> dict[str, tuple[str, str | None]]:
    """Return the clips of an input that is one clip."""
    return {Path(name).name: (name, sound)}


STILLS = {f"shots/{number:04d}.png": (f"shots/{number:04d}.png", None) for number in range(1, 4)}
TREE = {name: (f"tree/{name}", None) for name in ("s1/a.mkv", "s2/a.mkv", "s2/a.wav")}
CASES = {
    "nothing": Case(changes_values=False),
    "start and stop": Case("--start 0.6 --stop 0:01.5", {"start": 0.6, "stop": "0:01.5"}),
    "start and stop of sound": Case("--start 1 --stop 2", {"start": 1, "stop": 2}, pipeline="voice"),
    "every": Case("", {"frames.every": 3}),
    "frame rate": Case("", {"frames.fps": 4}),
    "folder of pictures": Case("--fps 5", {"sequence_fps": 5}, "shots", of_one("shots")),
    "pattern of pictures": Case("--fps 5", {"sequence_fps": 5}, "shots/%04d.png", of_one("shots/%04d.png")),
    "part of a sequence": Case("--fps 5 --start 0.2", {"sequence_fps": 5, "start": 0.2}, "shots", of_one("shots")),
    "stills": Case("--stills", {}, "shots", STILLS),
    "resting values of the clip": Case("--baseline low", {"baseline": "low"}),
    "resting values of seconds": Case("--baseline 0.5,0:01", {"baseline": [0.5, 1]}),
    "person all": Case("--person all", {"person": "all"}, changes_values=False),
    "person largest": Case("--person largest", {"person": "largest"}),
    "person leftmost": Case("--person leftmost", {"person": "leftmost"}),
    "person 1": Case("--person 1", {"person": 1}),
    "region in shares": Case("--region 0,0,0.5,1", {"region": [0, 0, 0.5, 1]}),
    "region in pixels": Case("--region 160,20,128,140", {"region": [160, 20, 128, 140]}),
    "channel left": Case("", {"sound.channel": "left"}),
    "channel right": Case("", {"sound.channel": "right"}),
    "channel 2": Case("", {"sound.channel": 2}),
    "channel mix": Case("", {"sound.channel": "mix"}, changes_values=False),
    "sound auto": Case("--sound auto", {}, "film/film.mkv", of_one("film/film.mkv", "film/film.wav")),
    "sound by a pattern": Case(
        "--sound ../audio/{stem}_mic.*", {}, "film/film.mkv", of_one("film/film.mkv", "audio/film_mic.flac")
    ),
    "sound in place of the clip's own": Case(
        "--sound audio/film_mic.flac", {}, clips={"talk.mkv": ("talk.mkv", "audio/film_mic.flac")}
    ),
    "sound of pictures": Case("--sound audio/film_mic.flac", {}, "shots", of_one("shots", "audio/film_mic.flac")),
    "all at once": Case(
        "--sound auto --start 0.5 --stop 2 --person largest --region 0,0,1,1",
        {
            "start": 0.5,
            "stop": 2,
            "person": "largest",
            "region": [0, 0, 1, 1],
            "sound.channel": "right",
            "frames.every": 2,
        },
        "film/film.mkv",
        of_one("film/film.mkv", "film/film.wav"),
    ),
    "equal names in a tree": Case("", {}, "tree", TREE),
    "sound in a tree": Case(
        "--sound auto",
        {},
        "tree",
        {"s1/a.mkv": ("tree/s1/a.mkv", None), "s2/a.mkv": ("tree/s2/a.mkv", "tree/s2/a.wav")},
    ),
    "stills by a pattern": Case("--stills", {}, "shots/%04d.png", {Path(name).name: STILLS[name] for name in STILLS}),
    "names of a manifest": Case("", {}, "clips.csv", {"first": TREE["s1/a.mkv"], "below/second": TREE["s2/a.mkv"]}),
}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of two faces and stereo sound, a silent film with sound files, pictures and a tree."""
    folder = tmp_path_factory.mktemp("media")
    for name in ("film", "audio", "shots", "tree/s1", "tree/s2"):
        (folder / name).mkdir(parents=True)
    frames = squares_clip(13)
    frames[4:12, 80:150, 196:266] = SQUARE  # the second face is larger than the first
    stereo = tone(2.6, 16000, channels=2)
    stereo[1] = tone(2.6, 16000, pitch=1500.0)[0]
    write_clip(folder / "talk.mkv", frames, FPS, stereo, sample_rate=16000)
    write_clip(folder / "film/film.mkv", frames, FPS)
    write_clip(folder / "film/film.wav", sound=stereo[:, ::-1], sample_rate=16000)
    write_clip(folder / "audio/film_mic.flac", sound=stereo[1], sample_rate=16000, sound_codec="flac")
    for number in range(3):
        Image.fromarray(frames[5 + number]).save(folder / f"shots/{number + 1:04d}.png")
    write_clip(folder / "tree/s1/a.mkv", frames[:3], FPS, stereo[0, :8000], sample_rate=16000)
    write_clip(folder / "tree/s2/a.mkv", frames[4:7], FPS, stereo[1, :8000], sample_rate=16000)
    write_clip(folder / "tree/s2/a.wav", sound=stereo[1, :12000], sample_rate=16000)
    (folder / "clips.csv").write_text("path,id\ntree/s1/a.mkv,first\ntree/s2/a.mkv,below/second\n")
    return folder


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def pipeline(case: Case) -> Pipeline:
    return load(case.pipeline, "cpu", **case.settings)


@pytest.fixture(scope="module")
def wanted(case: Case, pipeline: Pipeline, media: Path) -> Tables:
    return in_python(case, pipeline, media)


@pytest.fixture(scope="module")
def without_options(media: Path) -> pa.Table:
    return load("aver", "cpu", **FACES).run(media / "talk.mkv").to_table()


def in_python(case: Case, pipeline: Pipeline, media: Path) -> Tables:
    """Return the tables that `Pipeline.run` makes of the clips of a case."""
    return {
        name: pipeline.run(media / clip, media / sound if sound else None).to_table()
        for name, (clip, sound) in case.clips.items()
    }


def by_command(avfer: Any, command: str, case: Case, media: Path, output: Path) -> Tables:
    """Return the tables that `avfer run` or `avfer label` writes, by their `source`, which is the id of the clip."""
    settings = [text for name, value in case.settings.items() if "." in name for text in ("--set", f"{name}={value}")]
    result = avfer(
        command,
        case.pipeline,
        "--input",
        media / case.given,
        "--output",
        output,
        "--device",
        "cpu",
        *settings,
        *case.flags.split(),
    )
    assert result.code == 0, result.err
    tables = [pa.parquet.read_table(path) for path in result.paths]
    found = {table["source"][0].as_py(): table for table in tables}
    assert len(found) == len(tables)
    assert all(set(table["source"].to_pylist()) == {name} for name, table in found.items())
    return found


def values(tables: Tables) -> Tables:
    """Return all columns but `source`, in which Python has the name of the file."""
    return {name: table.drop_columns(["source"]) for name, table in tables.items()}


@pytest.fixture
def loaded_once(in_process: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `avfer label` run in this process; both commands use `pipeline` if theirs is equal, which saves loading."""

    def check(spec: PipelineSpec, device: str) -> CheckedPipeline:
        return CheckedPipeline(spec, pipeline.files, device, fingerprint(spec, pipeline.files))

    def reuse(spec: PipelineSpec, device: str = "auto", output: type = AffectTrack, **options: Any) -> Pipeline:
        is_equal = pipeline_sha256(spec) == pipeline_sha256(pipeline.spec)
        return pipeline if is_equal else Pipeline(spec, device, output, **options)

    monkeypatch.setattr(label_corpus, "check_pipeline", check)
    monkeypatch.setattr("avfer.pipeline.Pipeline", reuse)


@pytest.mark.usefixtures("loaded_once")
def test_run_label_and_python_give_equal_values(
    case: Case, wanted: Tables, media: Path, avfer: Any, tmp_path: Path
) -> None:
    for command in ("run", "label"):
        found = values(by_command(avfer, command, case, media, tmp_path / command))
        assert found == values(wanted), command


def test_chunks_change_no_value(
    case: Case, wanted: Tables, pipeline: Pipeline, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chunk in (0.5, 10.0):  # and 1.0 in `wanted`
        monkeypatch.setattr(pipeline, "spec", replace(pipeline.spec, chunk=chunk))
        assert in_python(case, pipeline, media) == wanted, chunk


def test_an_option_changes_the_values_of_the_clip(case: Case, wanted: Tables, without_options: pa.Table) -> None:
    changed = wanted.get("talk.mkv") != without_options
    assert changed == case.changes_values
