"""The metadata of a table."""

import json
import shutil
from pathlib import Path

from avfer import __version__
from avfer.models.weights import locate, sha256
from avfer.pipeline import load
from avfer.provenance import Provenance

MADE = Provenance(
    "talk.mp4",
    input={"size": 3, "modified": 1.5},
    pipeline_name="aver",
    pipeline="stages: {}",
    pipeline_sha256="ab",
    parsed_pipeline_sha256="cd",
    weights={"b.safetensors": "22", "a.safetensors": "11"},
    device="cpu",
    engines={"look": "torch 2.11.0"},
    stream={"start_s": 0.25, "clip": "other.mp4", "title": "é"},
)


def test_metadata_are_text_with_json_for_all_else_and_no_fact_of_the_stream_replaces_another():
    assert MADE.as_metadata() == {
        "version": __version__,
        "clip": "talk.mp4",
        "input": '{"modified": 1.5, "size": 3}',
        "pipeline_name": "aver",
        "pipeline": "stages: {}",
        "pipeline_sha256": "ab",
        "parsed_pipeline_sha256": "cd",
        "weights": '{"a.safetensors": "11", "b.safetensors": "22"}',
        "device": "cpu",
        "engines": '{"look": "torch 2.11.0"}',
        "start_s": "0.25",
        "title": "é",
    }


def test_numbers_only_is_stated_only_if_it_is_set():
    assert "numbers_only" not in MADE.as_metadata()
    assert json.loads(Provenance("a.mp4", numbers_only=True).as_metadata()["numbers_only"]) is True


def test_weight_files_with_the_same_name_are_all_stated(tmp_path: Path):
    hashes: dict[str, str] = {}
    for stage, network in (("voice", "voice_lite"), ("raw", "gru_lite")):
        built_in = locate(network, "builtin")[0]
        (tmp_path / stage).mkdir()
        for suffix in (".safetensors", ".json"):
            shutil.copy(built_in.with_suffix(suffix), tmp_path / stage / f"best{suffix}")
        hashes[f"{stage}/best.safetensors"] = sha256(built_in)
    options = {f"{stage}.weights": str(tmp_path / stage / "best.safetensors") for stage in ("voice", "raw")}
    files = load("voice", device="cpu", **options).files
    assert hashes.items() <= files.items() and "best.safetensors" not in files
