"""Examples of a partition are collected into one tally for each kind of label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avfer.datasets.example import Example, Labels
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.alignment import AlignedPredictions, all_columns_of
from avfer.evaluation.collect import collect
from avfer.evaluation.evaluation_config import make_config
from avfer.evaluation.prediction_sources import PredictionOrigin
from avfer.evaluation.protocol_facts import protocol_facts
from avfer.evaluation.tally import ActionUnitTally
from tests.evaluation.toy_corpus import Toy

CONFIG = make_config({"corpus": "recola", "root": ".", "partition": "dev", "predictions": "."}, "a test")


def predicted(name: str, kind: str, values: np.ndarray, names: tuple[str, ...]) -> AlignedPredictions:
    """An example of two steps whose columns are all predicted as 0.5."""
    labels = {kind: Labels(values, np.ones(values.shape, bool), names)}
    example = Example(name, "dev", labels, frames=np.arange(2))
    return AlignedPredictions.from_values(example, {column: np.full(2, 0.5) for column in all_columns_of(example)})


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        ("expression", np.zeros(2, np.int64), (("neutral", "anger"), ("anger", "neutral"))),
        ("action_units", np.zeros((2, 2)), (("AU1", "AU2"), ("AU1", "AU4"))),
    ],
)
def test_examples_with_different_names_raise_an_error(kind, values, names):
    examples = [predicted(f"clip_{i}", kind, values, own) for i, own in enumerate(names)]
    with pytest.raises(DatasetError, match=f"clip_1, {kind}: all examples must have the same names"):
        collect(CONFIG, examples)


def test_a_step_with_an_unknown_action_unit_is_counted_but_not_scored():
    aligned = predicted("clip", "action_units", np.array([[1.0, 0.0], [1.0, 0.0]]), ("AU1", "AU2"))
    aligned.example.labels["action_units"].valid[1, 0] = False
    tally = collect(CONFIG, [aligned]).tallies["action_units"]
    assert (tally.scores.steps.valid, tally.mixed) == (1, 1)


def test_activations_are_scored_only_with_a_stated_threshold() -> None:
    aligned = replace(predicted("clip", "action_units", np.zeros((2, 1)), ("AU1",)), unit_scale="activation")
    with pytest.raises(ConfigError, match=r"activations .* threshold=0.5"):
        collect(CONFIG, [aligned])
    tally = collect(CONFIG.model_copy(update={"threshold": 0.4}), [aligned]).tallies["action_units"]
    assert isinstance(tally, ActionUnitTally) and tally.threshold == 0.4


def test_predicted_units_outside_of_their_range_are_refused() -> None:
    aligned = predicted("clip", "action_units", np.zeros((2, 1)), ("AU1",))
    aligned.values["au01"] = np.array([0.5, 2.5])
    with pytest.raises(DatasetError, match=r"clip: action units must be .* in \[0, 1\], got values from 0.5 to 2.5"):
        collect(CONFIG, [aligned])


def test_intensities_of_action_units_are_refused_by_name() -> None:
    aligned = predicted("clip", "action_units", np.array([[1.0], [4.0]]), ("AU1",))
    with pytest.raises(DatasetError, match=r"clip: its action units are intensities, up to 4, but their occurrence"):
        collect(CONFIG, [aligned])


@pytest.mark.parametrize(("times", "drawn"), [(np.ones(1), "recordings"), (None, "pictures")])
def test_clips_with_a_single_label_are_drawn_as_recordings(times, drawn) -> None:
    labels = {"expression": Labels(np.zeros(1, np.int64), np.ones(1, bool), ("neutral", "anger"))}
    example = Example("clip", "dev", labels, times=times)
    aligned = AlignedPredictions.from_values(example, {"p_neutral": np.ones(1), "p_anger": np.zeros(1)})
    found = collect(CONFIG, [aligned])
    scores = found.tallies["expression"].scores.result(draws=5)
    assert (scores.drawn, scores.mean) == (drawn, {})
    config = CONFIG.model_copy(update={"headline": "recordings"})
    facts = protocol_facts(config, Toy(Path()), found, PredictionOrigin())
    assert facts["headline"].endswith("joined in one series") and "labels of whole clips" not in facts


@pytest.mark.parametrize(("model", "rule"), [("", "mean of the predictions"), ("aver_lite", "the one picture")])
@pytest.mark.parametrize("whole", [1, 2])
def test_the_protocol_states_how_labels_of_whole_clips_are_scored(model: str, rule: str, whole: int) -> None:
    """Also beside recordings with a label for each step."""
    examples = [predicted(str(number), "expression", np.zeros(2, np.int64), ("neutral", "anger")) for number in (1, 2)]
    for number, aligned in enumerate(examples[:whole]):
        examples[number] = replace(aligned, example=replace(aligned.example, whole_clip=True))
    config = CONFIG.model_copy(update={"model": model or None})
    facts = protocol_facts(config, Toy(Path()), collect(config, examples), PredictionOrigin())
    assert rule in facts["labels of whole clips"]
    assert ("steps" in facts) == ("steps without a prediction" in facts) == (whole == 1 and not model)


def test_the_label_of_a_whole_clip_has_no_reaction_delay() -> None:
    example = Example("clip", "dev", {"valence": Labels(np.zeros(1), np.ones(1, bool))}, times=np.ones(1))
    config = CONFIG.model_copy(update={"delay": {"valence": 2.0}})
    whole = AlignedPredictions.from_values(replace(example, whole_clip=True), {"valence": np.ones(1)})
    assert collect(config, [whole]).tallies["valence"].scores.steps.delayed == 0
    facts = protocol_facts(config, Toy(Path()), collect(config, [whole]), PredictionOrigin())
    assert facts["reaction delay used in training"].endswith("; labels of whole clips have none")


def test_the_only_step_of_a_recording_is_filled_where_a_delay_is_undone() -> None:
    example = Example("clip", "dev", {"valence": Labels(np.zeros(1), np.ones(1, bool))}, times=np.ones(1))
    config = CONFIG.model_copy(update={"delay": {"valence": 2.0}})
    once = AlignedPredictions.from_values(example, {"valence": np.ones(1)})
    steps = collect(config, [once]).tallies["valence"].scores.steps
    assert (steps.valid, steps.predicted, steps.delayed) == (1, 0, 1)
    facts = protocol_facts(config, Toy(Path()), collect(config, [once]), PredictionOrigin())
    assert "whole clips" not in facts["reaction delay used in training"]
