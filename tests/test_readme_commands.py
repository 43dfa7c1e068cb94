"""Every `$ avfer ...` command of the README files runs, in the order of the text, and exits with 0.

The commands run in a folder that holds what the texts assume: clips, generated twins of the licensed corpora below
`/data`, and a checkpoint in the layout of DAN's authors. `SHORTER` makes training and reports small; nothing else of a
command is changed.
"""

import re
import shlex
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from tests.models import official_file

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "tests" / "data" / "demo.mp4"
PAGES = ["README.md", "avfer/models/README.md", "configs/README.md"]
SHORTER = {
    "train": ["--set", "epochs=1"],
    "evaluate": ["--set", "draws=20"],
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def commands(page: str) -> list[str]:
    """The commands of a page's console blocks, without comments, continued lines joined."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", text, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ avfer ")]
    return [line.split("#")[0].strip() for line in lines]


def write_sound(path: Path) -> None:
    """Write the sound of the demo clip as a WAV file."""
    with av.open(str(DEMO)) as container, wave.open(str(path), "wb") as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
        samples = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.concatenate(samples, 1).tobytes())


def write_ferplus(folder: Path) -> None:
    """Write FER+ as one array file per partition: four grey pictures with ten votes each."""
    import io

    from PIL import Image

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


def write_my_labels(folder: Path) -> None:
    """Write a table of valence and arousal for four copies of the demo clip."""
    folder.mkdir(parents=True)
    rows: list[tuple[str, str, str, float, float, float]] = []
    for subject, partition in (("anna", "train"), ("bert", "train"), ("carl", "dev"), ("dora", "test")):
        shutil.copy(DEMO, folder / f"{subject}.mp4")
        times = np.arange(0, 5, 0.04)
        rows += [(f"{subject}.mp4", partition, subject, t, float(np.sin(t)), float(np.cos(t))) for t in times]
    columns = ["path", "partition", "subject", "time_s", "valence", "arousal"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "labels.csv", index=False)


def write_raf_db(folder: Path) -> None:
    """Write RAF-DB's basic classes: one aligned picture of each of the seven in train and in test."""
    from PIL import Image

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
    """Write the organisers' sample file: the first three frames of a video of the twin's validation set."""
    names = sorted(path.stem for path in twin.rglob("Validation_Set/*.txt"))
    rows = [f"{names[0]}/{frame:05d}.jpg,-5,-5" for frame in (1, 2, 3)]
    (folder / "sample.txt").write_text("\n".join(["image_location,valence,arousal", *rows]) + "\n")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the commands read."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(DEMO, folder / "clip.mp4")
    for name in ("clips/one.mp4", "corpus/anna/one.mp4", "corpus/bert/two.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO, folder / name)
    write_sound(folder / "interview.wav")
    write_ferplus(folder / "data" / "ferplus")
    write_my_labels(folder / "data" / "mine")
    write_raf_db(folder / "data" / "RAF-DB" / "basic")
    for corpus, name in (("recola", "RECOLA"), ("aff_wild2", "Aff-Wild2")):
        twin = [sys.executable, "tools/make_twin.py", corpus, str(folder / "data" / name), "--subjects", "2"]
        subprocess.run([*twin, "--seconds", "10"], cwd=ROOT, check=True, capture_output=True)
    write_sample(folder, folder / "data" / "Aff-Wild2")
    (folder / "pipelines").symlink_to(ROOT / "pipelines")
    (folder / "tests").symlink_to(ROOT / "tests")
    (folder / "configs").symlink_to(ROOT / "configs")
    official_file.write(folder / "affecnet8_epoch5_acc0.6209.pth", "dan8", lambda tensors: {"state_dict": tensors})
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs(page: str, workspace: Path, tmp_path: Path) -> None:
    workspace = shutil.copytree(workspace, tmp_path / "work", symlinks=True)
    found = commands(page)
    assert found
    for command in found:
        words = [re.sub(r"(?<!\w)/data/", f"{workspace}/data/", word) for word in shlex.split(command)[1:]]
        words += SHORTER.get(words[0], [])
        done = subprocess.run([sys.executable, "-m", "avfer", *words], cwd=workspace, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
