"""The commands of configs/README.md that train on your own labels and then score the test partition."""

import json
import re
import shlex
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from tests.media_maker import write_clip

ROOT = Path(__file__).parents[2]
FRAMES = 30
SMALL = ["--set", "epochs=2", "--set", "length=20", "--set", "stride=10", "--set", "model_options={width: 8}"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three short clips of a face, one in each partition, with valence and arousal for every frame."""
    folder, tables = tmp_path / "mine", list[pd.DataFrame]()
    folder.mkdir()
    with av.open(str(ROOT / "tests/data/demo.mp4")) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), FRAMES)])
    times = np.arange(FRAMES) / 25
    for name, partition in (("anna", "train"), ("bert", "dev"), ("carl", "test")):
        write_clip(folder / f"{name}.mp4", frames)
        values = {"time_s": times, "valence": np.sin(times), "arousal": np.cos(times)}
        tables.append(pd.DataFrame({"path": f"{name}.mp4", "partition": partition, "subject": name, **values}))
    pd.concat(tables).to_csv(folder / "labels.csv", index=False)
    return folder


def commands_of_readme() -> list[list[str]]:
    """The commands of configs/README.md about /data/mine: training, and the score of the test partition."""
    text = (ROOT / "configs/README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line[8:].split("#")[0] for line in text.splitlines() if re.match(r"\$ avfer .*/data/mine", line)]
    return [shlex.split(line) for line in lines]


def test_a_model_just_trained_is_scored_on_the_test_partition(avfer, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, evaluate = [[word.replace("/data/mine", str(corpus)) for word in words] for words in commands_of_readme()]
    trained = avfer(*train, *SMALL, "--set", "pipeline=vision", "--quiet")
    assert trained.code == 0, trained.err
    vision = [{"aver": "vision"}.get(word, word) for word in evaluate]
    printed = shlex.split(trained.err.splitlines()[-1].partition("score it: ")[2])
    assert printed == ["avfer", *vision, "--output", "avfer_train/my_labels/evaluation"]
    page = Path("avfer_train/my_labels/report.html").read_text()
    assert shlex.join(printed) in page and "Only 1 recording selected the epoch" in page
    result = avfer(*printed[1:], "--set", "draws=5", "--quiet")
    assert result.code == 0, result.err
    out = Path("avfer_train/my_labels/evaluation")
    report = json.loads((out / "report.json").read_text())
    assert "test" in json.dumps(report) and "best.safetensors" in json.dumps(report)
    tables = list((out / "tables").glob("*.parquet"))
    assert [table.stem for table in tables] == ["carl"] and pd.read_parquet(tables[0])["valence"].notna().all()
