"""Series of renders of one head in which a single movement grows, and renders whose eyes look aside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tools.renders.head import Head
from tools.renders.shots import Shot, lids, with_movement

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
FIRST_SEED = 10**9  # of heads that are never trained on
# Shapes of each action unit; "_" ends names that have a left and right shape.
SWEEPS: Mapping[str, Mapping[str, float]] = {
    "au01": {"browInnerUp_": 1},
    "au02": {"browOuterUp_": 1},
    "au04": {"browDown_": 1},
    "au05": {"eyeWide_": 1},
    "au06": {"cheekRaiser_": 1},
    "au07": {"eyeSquint_": 1},
    "au09": {"noseSneer_": 1},
    "au10": {"mouthUpperUp_": 1},
    "au12": {"mouthSmile_": 1},
    "au14": {"mouthDimple_": 1},
    "au15": {"mouthFrown_": 1},
    "au16": {"mouthLowerDown_": 1},
    "au17": {"mouthShrugLower": 1},
    "au18": {"mouthPucker": 1},
    "au20": {"mouthStretch_": 1},
    "au22": {"mouthFunnel": 1},
    "au24": {"mouthPress_": 1},
    "au25": {"mouthLowerDown_": 0.6, "mouthUpperUp_": 0.4, "jawOpen": 0.15},
    "au26": {"jawOpen": 1},
    "au28": {"mouthRollUpper": 1, "mouthRollLower": 1},
    "au45": {"eyeBlink_": 1},
}


@dataclass(frozen=True, eq=False)
class Step:
    """One render of a series."""

    head: int  # number of the identity
    unit: str  # action unit that grows, or "" for the neutral face, which all series of a head share
    weight: float
    shot: Shot


def sided(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of the shapes with their sides: {"browDown_": 1} -> {"browDown_L": 1, "browDown_R": 1}."""
    return {
        name + side: value for name, value in weights.items() for side in (("L", "R") if name.endswith("_") else ("",))
    }


def still_shot(head: Head, seed: int) -> Shot:
    """Return a neutral face of an unseen identity, turned a little."""
    rng = np.random.default_rng(FIRST_SEED + seed)
    return Shot(
        identity=rng.normal(0, 0.8, head.num_identities),
        pose=(float(rng.normal(0, 5)), float(rng.normal(0, 5)), float(rng.normal(0, 3))),
        distance=float(rng.uniform(50, 110)),
        look=FIRST_SEED + seed,
    )


def series(head: Head, number: int) -> Iterator[Step]:
    """Yield the neutral face of one identity, then each movement at the weights above 0."""
    still = still_shot(head, number)
    yield Step(number, "", 0.0, still)
    for unit, shapes in SWEEPS.items():
        for weight in WEIGHTS[1:]:
            moved = with_movement(still, {name: weight * value for name, value in sided(shapes).items()})
            yield Step(number, unit, weight, moved)


def looks(head: Head, count: int) -> Iterator[Shot]:
    """Yield neutral faces whose eyes look 15 to 30 degrees to a side, up or down, relative to the camera."""
    number = 0
    made = 0
    while made < count:
        number += 1
        still = still_shot(head, 10**6 + number)
        rng = np.random.default_rng(FIRST_SEED + number)
        eyes = (float(rng.uniform(-30, 30)), float(rng.uniform(-25, 25)))
        shot = Shot(still.identity, lids(*eyes), still.pose, eyes, still.distance, still.look)
        if np.abs(shot.gaze()).max() >= 15:
            made += 1
            yield shot
