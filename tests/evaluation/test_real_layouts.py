"""Corpora in their own layouts are scored and compared with their own published rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avfer.evaluation.evaluation_config import make_config
from avfer.evaluation.scoring import score
from tests.evaluation.toy_corpus import walk

FERPLUS = Path(__file__).parents[3] / "shared" / "data" / "ferplus"
STEPS = 200


def arff(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = [
        "@relation gold",
        "@attribute Instance_name string",
        "@attribute frameTime numeric",
        "@attribute gold numeric",
    ]
    rows = [f"{path.stem},{0.04 * i:.2f},{value:.6f}" for i, value in enumerate(values)]
    path.write_text("\n".join([*head, "", "@data", *rows]) + "\n")


def write_recola(root: Path, labels: str, tables: Path) -> None:
    tables.mkdir()
    for number in (1, 2):
        values = {name: walk(number + i).round(6)[:STEPS] for i, name in enumerate(("valence", "arousal"))}
        for name, series in values.items():
            arff(root / labels / name / f"dev_{number}.arff", series)
        pd.DataFrame({"time_s": np.arange(STEPS) * 0.04, **values}).to_csv(tables / f"dev_{number}.csv", index=False)


@pytest.mark.parametrize(
    ("labels", "shown"), [("ratings_gold_standard", "AVEC 2016 baseline"), ("labels/gs_1", None)], ids=["2016", "2018"]
)
def test_recola_is_compared_with_rows_of_its_own_distribution(tmp_path, labels, shown):
    write_recola(tmp_path / "recola", labels, tmp_path / "tables")
    keys = {"corpus": "recola", "root": tmp_path / "recola", "partition": "dev", "predictions": tmp_path / "tables"}
    report = score(make_config(keys | {"draws": 10}, "a test"))
    assert report.headline == {"ccc_valence": 1.0, "ccc_arousal": 1.0}
    assert [table.rows[0].system.partition(" (")[0] for table in report.published] == ([shown] if shown else [])
    assert any("their distribution is AVEC 2015 and 2016" in note for note in report.notes) == (shown is None)


def write_aff_wild2(root: Path, tables: Path) -> None:
    folder = root / "6th ABAW Annotations" / "VA_Estimation_Challenge" / "Validation_Set"
    folder.mkdir(parents=True)
    tables.mkdir()
    frames = pd.DataFrame({"frame": np.arange(STEPS), "time_s": np.arange(STEPS) / 30})
    for number, name in enumerate(("video59", "a b.c", "7_left")):
        values = np.stack([walk(number), walk(number + 5)], 1)[:STEPS].round(3)
        lines = [f"{v:.3f},{a:.3f}" for v, a in values]
        lines[3] = "-5,0.2"
        (folder / f"{name}.txt").write_text("\n".join(["valence,arousal", *lines]) + "\n")
        frames.assign(valence=values[:, 0], arousal=values[:, 1]).to_parquet(tables / f"{name}.parquet")


def test_aff_wild2_has_p_and_the_rows_of_the_validation_set(tmp_path):
    write_aff_wild2(tmp_path / "aff", tmp_path / "tables")
    keys = {"corpus": "aff_wild2", "root": tmp_path / "aff", "partition": "dev", "predictions": tmp_path / "tables"}
    report = score(make_config(keys | {"draws": 10, "options": {"task": "va"}}, "a test"))
    assert report.headline == {"ccc_valence": 1.0, "ccc_arousal": 1.0, "P": 1.0}
    assert report.dimensions["valence"].scores.steps.valid == 3 * (STEPS - 1)
    assert [table.rows[0].system for table in report.published] == ["official baseline 2023-2026"]
    for table in list((tmp_path / "tables").iterdir()):
        (tmp_path / "labels" / "clips" / "batch1").mkdir(parents=True, exist_ok=True)
        table.rename(tmp_path / "labels" / "clips" / "batch1" / f"{table.stem}.mp4.parquet")
    (tmp_path / "labels" / "manifest.parquet").touch()  # as `avfer label` leaves a folder
    again = keys | {"draws": 10, "options": {"task": "va"}, "predictions": tmp_path / "labels"}
    assert score(make_config(again, "a test")).headline == report.headline


@pytest.mark.slow
@pytest.mark.skipif(not FERPLUS.is_dir(), reason="needs FER+ in ../shared/data/ferplus")
def test_the_embedded_face_network_has_the_accuracy_on_its_card(avfer, tmp_path):
    named = ["--corpus", "ferplus", "--root", FERPLUS, "--partition", "test", "--model", "aver_lite"]
    result = avfer("evaluate", *named, "--output", tmp_path, "--device", "cpu")
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["expression"]["scores"]["steps"]["valid"] == 3137
    assert round(100 * content["headline"]["expression_accuracy"], 2) == 86.55
