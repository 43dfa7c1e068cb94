"""Every `$ avfer ...` command of the README files runs, in the order of the text, and exits with 0.

The commands run in a folder that holds what the texts assume: clips, codings of two of them, generated twins of the
licensed corpora below `/data`, and a checkpoint in the layout of DAN's authors. SHORTER makes training and reports
small; nothing else of a command is changed. Labelling loads its pipeline in this process, where `avfer label` starts
one for it.
"""

import io
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data
from torch import Tensor

from avfer.labelling.checked_pipeline import CheckTask
from tests.codings.made import write_csv, write_elan
from tests.conftest import Result
from tests.media_maker import write_clip
from tests.models import official_file
from tools import make_twin
from tools.demo_face import portrait

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "tests" / "data" / "demo.mp4"
PAGES = ["README.md", "avfer/models/README.md", "configs/README.md"]
SHORTER = {
    "train": ["--set", "epochs=1"],
    "evaluate": ["--set", "draws=20"],
}
FEWER_WORKERS = ["--workers", "1"]  # replaces an earlier --workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def commands(page: str) -> list[str]:
    """Return the commands of a page's console blocks, without comments, continued lines joined."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", text, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ avfer ")]
    return [line.split("#")[0].strip() for line in lines]


def write_clips(folder: Path) -> None:
    """Write the first second of the demo clip, with its face and voice, under each name that the pages use."""
    with av.open(str(DEMO)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:25]
    with av.open(str(DEMO)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
        sound = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.concatenate(sound, 1)[:, :16000]
    clip = write_clip(folder / "clip.mp4", np.stack(frames), sound=samples, sample_rate=16000)
    write_clip(folder / "interview.wav", sound=samples, sample_rate=16000)
    for name in ("clips/talk.mp4", "corpus/anna/one.mp4", "corpus/bert/two.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / name)


def write_codings(folder: Path) -> None:
    """Write a coding by ELAN of clip.mp4, and one as CSV of corpus/bert/two.mp4."""
    folder.mkdir()
    write_elan(folder / "clip.eaf", clip="clip.mp4")
    write_csv(folder / "two.csv")


def write_ferplus(folder: Path) -> None:
    """Write FER+ as one array file per partition: four grey pictures with ten votes each."""
    folder.mkdir(parents=True)
    for name in ("train", "valid", "test"):
        files: list[bytes] = []
        for shade in (30, 90, 150, 210):
            stream = io.BytesIO()
            Image.fromarray(np.full((48, 48), shade, np.uint8)).save(stream, "PNG")
            files.append(stream.getvalue())
        votes = np.zeros((4, 10), np.uint8)
        votes[np.arange(4), np.arange(4)] = 10
        arrays = {
            "png": np.frombuffer(b"".join(files), np.uint8),
            "offset": np.cumsum([0, *map(len, files)]),
            "name": np.array([f"fer{number:07d}.png".encode() for number in range(4)]),
            "votes": votes,
            "votes_csv": votes,
            "dup_in_train": np.zeros(4, bool),
        }
        np.savez(folder / f"{name}.npz", **arrays)


def write_my_labels(folder: Path, clip: Path) -> None:
    """Write a table of valence and arousal for four copies of a clip of one second."""
    folder.mkdir(parents=True)
    rows: list[tuple[str, str, str, float, float, float]] = []
    for subject, partition in (("anna", "train"), ("bert", "train"), ("carl", "dev"), ("dora", "test")):
        shutil.copy(clip, folder / f"{subject}.mp4")
        rows += [
            (f"{subject}.mp4", partition, subject, time, float(np.sin(5 * time)), float(np.cos(5 * time)))
            for time in np.arange(25) / 25
        ]
    columns = ["path", "partition", "subject", "time_s", "valence", "arousal"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "labels.csv", index=False)


def write_raf_db(folder: Path) -> None:
    """Write RAF-DB's basic classes: one aligned picture of each of the seven in train and in test."""
    (folder / "EmoLabel").mkdir(parents=True)
    (folder / "Image" / "aligned").mkdir(parents=True)
    rows: list[str] = []
    for partition in ("train", "test"):
        for label in range(1, 8):
            name = f"{partition}_{label:05d}"
            rows.append(f"{name}.jpg {label}")
            Image.new("RGB", (100, 100), (30 * label, 90, 120)).save(folder / "Image/aligned" / f"{name}_aligned.jpg")
    (folder / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(rows) + "\n")


def write_sample(folder: Path, twin: Path) -> None:
    """Write the organisers' sample file: the first three frames of a video of the twin, which `test_videos` holds."""
    videos = {path.stem: path for path in twin.rglob("*.mp4")}
    names = sorted(path.stem for path in twin.rglob("Validation_Set/*.txt") if path.stem in videos)
    (folder / "test_videos").mkdir()
    shutil.copy(videos[names[0]], folder / "test_videos")
    rows = [f"{names[0]}/{frame:05d}.jpg,-5,-5" for frame in (1, 2, 3)]
    (folder / "sample.txt").write_text("\n".join(["image_location,valence,arousal", *rows]) + "\n")


class StillPainter:
    """A face that shows the same for every expression: one portrait, where a twin's painter draws dozens."""

    def __init__(self) -> None:
        self._face = portrait(data.astronaut())[0].clamp(0, 255)

    def draw(self, expression: str, strength: float, opening: float) -> Tensor:
        """Return the portrait: (3, S, S) float32 in [0, 255]."""
        return self._face


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the commands read."""
    folder = tmp_path_factory.mktemp("readme")
    write_clips(folder)
    write_codings(folder / "codings")
    write_ferplus(folder / "data" / "ferplus")
    write_my_labels(folder / "data" / "mine", folder / "clip.mp4")
    write_raf_db(folder / "data" / "RAF-DB" / "basic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tools.twin.face.Painter", StillPainter)
        for corpus, name in (("recola", "RECOLA"), ("aff_wild2", "Aff-Wild2")):
            make_twin.main([corpus, str(folder / "data" / name), "--subjects", "2", "--seconds", "4"])
    write_sample(folder, folder / "data" / "Aff-Wild2")
    for name in ("pipelines", "tests", "configs"):
        (folder / name).symlink_to(ROOT / name)
    official_file.write(folder / "affecnet8_epoch5_acc0.6209.pth", "dan8", lambda tensors: {"state_dict": tensors})
    return folder


@pytest.mark.filterwarnings("default::avfer.errors.AvferWarning")  # tables of several pipelines in one folder
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs(
    page: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, avfer: Callable[..., Result]
) -> None:
    folder = shutil.copytree(workspace, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        "avfer.labelling.label_corpus.check_pipeline", lambda spec, device: CheckTask(device).load()(spec)
    )
    found = commands(page)
    assert found
    for command in found:
        words = [re.sub(r"(?<!\w)/data/", f"{folder}/data/", word) for word in shlex.split(command)[1:]]
        shorter = FEWER_WORKERS if "--workers" in words else SHORTER.get(words[0], [])
        result = avfer(*words, *shorter)
        assert result.code == 0, f"{command}\n{result.out[-2000:]}\n{result.err[-2000:]}"
