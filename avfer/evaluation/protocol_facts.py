"""The protocol that a score must state to be compared with another one.

Two scores are comparable only if these agree: corpus and its distribution, partition, gold standard, steps that were
scored and how gaps were filled, convention of the CCC, joined or mean of recordings, post-processing and where it was
fitted, reaction delay, class list, threshold. A report prints them all, with software versions and weights.
"""

import platform
from importlib.metadata import version

from avfer import __version__
from avfer.datasets.example import DIMENSIONS, Corpus
from avfer.errors import counted
from avfer.evaluation.alignment import CLIP_RULE, FACE_RULE, FILLING_RULE, MATCHING_RULE, PICTURE_RULE
from avfer.evaluation.collect import Collected
from avfer.evaluation.evaluation_config import EvalConfig, Headline, threshold_origin
from avfer.evaluation.picture_predictions import RESIZING_RULE
from avfer.evaluation.prediction_sources import PredictionOrigin
from avfer.evaluation.tally import ActionUnitTally, ExpressionTally
from avfer.metrics import SAGR_RULE
from avfer.metrics.bootstrap import LEVEL

CONVENTION_TEXTS = {
    "population": "population: covariance and variances are divided by n (Lin 1989, ABAW)",
    "sample": "sample: covariance and variances are divided by n - 1 (torchmetrics)",
    "avec2018": "avec2018: covariance over n, variances over N - 1 with missing steps; equal series give (n - 1) / n",
}
HEADLINE_TEXTS = {
    "joined": "all valid steps of all recordings joined in one series",
    "recordings": "the mean of the recordings' own scores",
}
PACKAGES = ("numpy", "torch")


def protocol_facts(config: EvalConfig, corpus: Corpus, found: Collected, origin: PredictionOrigin) -> dict[str, str]:
    """Return the protocol as name -> text, in the order in which a report prints it.

    found: the partition after it was collected, which knows what was filled and which kinds were scored.
    origin: of the predictions, after they were read.
    """
    continuous = any(kind in found.tallies for kind in DIMENSIONS)
    versions = [f"avfer {__version__}", f"Python {platform.python_version()}"]
    return {
        "corpus": f"{corpus.name}, {corpus.distribution}",
        "partition": config.partition,
        "labels": corpus.protocol + "".join(f"; {name}: {value}" for name, value in config.options.items()),
        "recordings or pictures": str(found.examples),
        **_prediction_facts(config, origin),
        **_filling_facts(config, found),
        **(_delay_facts(config, found) if continuous else {}),
        "headline": HEADLINE_TEXTS[_quoted(config, found)],
        **(_ccc_facts(config) if continuous else {}),
        **_class_facts(found),
        "interval": f"{LEVEL:.0%} percentile interval, {config.draws} draws of {_drawn(found)}, never of frames",
        "software": ", ".join([*versions, *(f"{package} {version(package)}" for package in PACKAGES)]),
    }


def _quoted(config: EvalConfig, found: Collected) -> Headline:
    """Return what is quoted: joined scores in any case if no recording has a score of its own, as with pictures."""
    return "joined" if all(tally.scores.single_steps for tally in found.tallies.values()) else config.quoted


def _prediction_facts(config: EvalConfig, origin: PredictionOrigin) -> dict[str, str]:
    """Return the source of the predictions, the settings of the pipeline and the training data of its networks."""
    if config.predictions:
        source = f"tables in {config.predictions}"
    else:
        source = f"the pipeline {config.pipeline}" if config.pipeline else f"the network {config.model}"
    facts = {"predictions": source, **origin.facts}
    facts |= {f"setting {name}": str(value) for name, value in config.settings.items()}
    return facts | {f"{name} was trained on": data for name, data in origin.training_data.items()}


def _filling_facts(config: EvalConfig, found: Collected) -> dict[str, str]:
    """Return how predictions were brought to the steps, and what was done about recordings without any."""
    scores = [tally.scores for tally in found.tallies.values()]
    has_steps = not all(some.only_whole_clips for some in scores)
    facts = {"pictures": RESIZING_RULE} if config.model else {"faces": FACE_RULE}
    if has_steps and not config.model:
        facts["steps"] = MATCHING_RULE
    if any(some.whole_clips for some in scores):
        facts["labels of whole clips"] = PICTURE_RULE if config.model else CLIP_RULE
    if has_steps and (not config.model or any(some.steps.repeated for some in scores)):
        facts["steps without a prediction"] = FILLING_RULE
    absent = {kind: len(names) for kind, names in found.unpredicted.items() if kind in found.tallies}
    counts = ", ".join(f"{count} of {kind.replace('_', ' ')}" for kind, count in absent.items())
    if counts:
        facts["recordings without a prediction"] = f"{counts}: scored as neutral, counted as repeated"
    return facts


def _delay_facts(config: EvalConfig, found: Collected) -> dict[str, str]:
    """Return the reaction delay of each dimension, and how it was undone."""
    delays = ", ".join(f"{kind} {config.delay[kind]:g} s" for kind in DIMENSIONS if config.delay.get(kind))
    rule = "predictions moved later by it, the first steps repeat the first prediction"
    if any(tally.scores.whole_clips for tally in found.tallies.values()):
        rule += "; labels of whole clips have none"
    return {"reaction delay used in training": f"{delays}; undone: {rule}" if delays else "none given, none undone"}


def _ccc_facts(config: EvalConfig) -> dict[str, str]:
    """Return the convention, post-processing and the rule of signs of a continuous prediction."""
    chain = "none in the headline"
    chain += "; raw, fitted on train and fitted on dev in separate tables" if config.post_processing else ""
    steps = counted(config.smoothing, "step")
    chain += f"; a moving mean of {steps} on each side in a table" if config.smoothing else ""
    facts = {"protocol": f"{config.protocol}: the last step of every recording is left out"} if config.protocol else {}
    return facts | {
        "CCC": CONVENTION_TEXTS[config.ccc],
        "post-processing": chain,
        "SAGR": SAGR_RULE,
    }


def _class_facts(found: Collected) -> dict[str, str]:
    """Return the classes, and the action units and their threshold, if they were scored."""
    facts: dict[str, str] = {}
    for tally in found.tallies.values():
        if isinstance(tally, ExpressionTally):
            facts["classes"] = f"{', '.join(tally.names)}; the most probable of these is taken"
        if isinstance(tally, ActionUnitTally):
            facts["action units"] = ", ".join(tally.names)
            facts["threshold of action units"] = f"{tally.threshold:g} for all, {threshold_origin(tally.threshold)}"
    return facts


def _drawn(found: Collected) -> str:
    """Return what the intervals draw: "subjects", "recordings" or "pictures"."""
    return " and ".join(dict.fromkeys(tally.scores.drawn for tally in found.tallies.values()))
