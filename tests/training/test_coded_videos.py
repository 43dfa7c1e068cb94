"""Training on codings of ELAN reaches the score of training on a table with the same labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.training.train_model import train
from avfer.training.training_config import make_config
from tests.codings.made import write_elan
from tests.training import clip_corpus

SPLIT = "67/33"  # of the six clips, by their names
STEP = 0.04  # s


def write_labels(root: Path) -> Path:
    """Write valence and arousal of each clip as a document of ELAN beside it, and of all clips as a table."""
    rows = ["path,time_s,valence,arousal"]
    for number in range(6):
        marks: list[tuple[str, float, float, str]] = []
        values = np.round(np.stack(clip_corpus.truth(number)), 3)
        for step, (valence, arousal) in enumerate(values.T):
            rows.append(f"{number}.mkv,{step * STEP:.2f},{valence},{arousal}")
            for name, value in (("valence", valence), ("arousal", arousal)):
                marks.append((name, step * STEP, (step + 1) * STEP, str(value)))
        write_elan(root / f"{number}.eaf", marks, f"{number}.mkv")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def scores(corpus: str, root: Path, folder: Path) -> dict[str, float]:
    values: dict[str, Any] = {
        "corpus": corpus,
        "root": root,
        "options": {"split": SPLIT},
        "pipeline": str(clip_corpus.write_pipeline(folder / "toy.yaml")),
        "output": folder / corpus,
        **clip_corpus.SHORT_TRAINING,
    }
    return train(make_config(values, "the test")).scores


@pytest.mark.slow
def test_training_on_codings_of_elan_reaches_the_score_of_a_table(tmp_path):
    root = write_labels(clip_corpus.write_clips(tmp_path / "clips"))
    found = scores("elan", root, tmp_path)
    assert found and found == pytest.approx(scores("table", root, tmp_path), abs=1e-6)
