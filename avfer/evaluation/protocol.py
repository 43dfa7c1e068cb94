"""What a score must state to be compared: corpus, partition, filling, convention, delay, classes, versions."""

import platform
from importlib.metadata import version

from avfer import __version__
from avfer.datasets.example import Corpus
from avfer.evaluation.align import FACE_RULE
from avfer.evaluation.align import RULE as HELD
from avfer.evaluation.collect import Collected
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.kinds import DIMENSIONS
from avfer.evaluation.pictures import RULE as RESIZED
from avfer.evaluation.sources import Origin
from avfer.evaluation.tally import ActionUnitTally, ExpressionTally
from avfer.metrics import SAGR_RULE
from avfer.metrics.bootstrap import LEVEL

CONVENTIONS = {
    "population": "population: covariance and variances are divided by n (Lin 1989, ABAW)",
    "sample": "sample: covariance and variances are divided by n - 1 (torchmetrics)",
    "avec2018": "avec2018: covariance over n, variances over N - 1 with missing steps; equal series give (n - 1) / n",
}
HEADLINES = {
    "joined": "all valid steps of all recordings joined in one series",
    "recordings": "the mean of the recordings' own scores",
}
PACKAGES = ("numpy", "torch")


def facts_of(config: EvalConfig, corpus: Corpus, found: Collected, origin: Origin) -> dict[str, str]:
    """All of section by section, as a report prints it."""
    seen = any(kind in found.tallies for kind in DIMENSIONS)
    return {
        "corpus": f"{corpus.name}, {corpus.distribution}",
        "partition": config.partition,
        "labels": corpus.protocol + "".join(f"; {name}: {value}" for name, value in config.options.items()),
        "recordings or pictures": str(found.examples),
        **_predictions(config, origin),
        **_filling(config, found, seen),
        **(_continuous(config) if seen else {}),
        **_classes(found),
        "interval": f"{LEVEL:.0%} percentile interval, {config.draws} draws of {_drawn(found)}, never of frames",
        "software": ", ".join([f"avfer {__version__}", f"Python {platform.python_version()}", *map(_told, PACKAGES)]),
    }


def _predictions(config: EvalConfig, origin: Origin) -> dict[str, str]:
    if config.predictions:
        source = f"tables in {config.predictions}"
    else:
        source = f"the pipeline {config.pipeline}" if config.pipeline else f"the network {config.model}"
    facts = {"predictions": source, **origin.told}
    facts |= {f"setting {name}": str(value) for name, value in config.settings.items()}
    return facts | {f"{name} was trained on": data for name, data in origin.data.items()}


def _filling(config: EvalConfig, found: Collected, continuous: bool) -> dict[str, str]:
    facts = {"pictures": RESIZED} if config.model else {"faces": FACE_RULE}
    if not config.model:
        facts["steps without a prediction"] = HELD
    if found.lacking:
        absent = {kind: len(names) for kind, names in found.lacking.items() if kind in found.tallies}
        told = ", ".join(f"{count} of {kind.replace('_', ' ')}" for kind, count in absent.items())
        facts |= {"recordings without a prediction": f"{told}: scored as neutral, counted as held"} if told else {}
    if continuous:
        delays = ", ".join(f"{kind} {config.delay[kind]:g} s" for kind in DIMENSIONS if config.delay.get(kind))
        rule = "predictions moved later by it, the first steps repeat the first prediction"
        facts["reaction delay used in training"] = f"{delays}; undone: {rule}" if delays else "none told, none undone"
    return facts


def _continuous(config: EvalConfig) -> dict[str, str]:
    chain = "none in the headline"
    chain += "; raw, fitted on train and fitted on dev in tables of their own" if config.post_processing else ""
    chain += f"; a moving mean of {config.smoothing} steps on each side in a table" if config.smoothing else ""
    facts = {"protocol": f"{config.protocol}: the last step of every recording is left out"} if config.protocol else {}
    return facts | {
        "CCC": CONVENTIONS[config.ccc],
        "headline": HEADLINES[config.quoted],
        "post-processing": chain,
        "SAGR": SAGR_RULE,
    }


def _classes(found: Collected) -> dict[str, str]:
    facts: dict[str, str] = {}
    for tally in found.tallies.values():
        if isinstance(tally, ExpressionTally):
            facts["classes"] = f"{', '.join(tally.classes)}; the most probable of these is taken"
        if isinstance(tally, ActionUnitTally):
            facts["action units"] = ", ".join(tally.units)
            facts["threshold of action units"] = f"{tally.threshold:g} for all, not tuned"
    return facts


def _drawn(found: Collected) -> str:
    return " and ".join(dict.fromkeys(tally.both.drawn for tally in found.tallies.values()))


def _told(package: str) -> str:
    return f"{package} {version(package)}"
