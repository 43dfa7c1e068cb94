"""Measure face_lite and write its weights and card: `python -m tools.train.export_face_measures CROPS RUN OUTPUT`.

CROPS is the folder of tools.train.face_measures_data, RUN that of tools.train.face_measures, OUTPUT the .safetensors
file; tools.bench.face_measures measures the figures of the card. `--start WEIGHTS --share 0.5` writes the network half
way between the one that a short run began with and its result.
"""

import argparse
from pathlib import Path

import torch

from avfer.models.backbones.face_lite import SIDE, FaceLite
from avfer.models.card import Card, Metric
from avfer.models.weights import save
from tools.bench.face_measures import FROM_RENDERS, UNITS, figures, load
from tools.train.face_measures_augment import MEAN, STD
from tools.train.face_measures_data import SHARED
from tools.train.face_measures_template import TEMPLATE

# Action units that hold on unseen persons and on renders; see the figures that tools.bench.face_measures prints.
MEASURED = tuple(unit.upper() for unit in UNITS if unit not in FROM_RENDERS)
DATA = (
    "Distilled from MediaPipe's Face Landmarker on 26,342 faces of FER+ (training split) and 4,385 larger photographs"
    " (news photographs in the style of LFW, portraits of members of a legislature), and trained on the true movement,"
    " head rotation and gaze of renders of the USC ICT-FaceKit; at the end with moustaches, beards and other lips"
    " drawn on 30 % of them"
)
LICENCE = (
    "Apache-2.0 (teacher: Face Landmarker, Apache-2.0; renders: ICT-FaceKit, MIT, Copyright (c) 2020 USC Institute for"
    " Creative Technologies; the rights in the photographs are not stated; no picture is shipped)"
)
SOURCES = [
    "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
    "MediaPipe Face Landmarker, face_landmarker.task float16 version 1",
    "Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020 (ICT-FaceKit)",
    "Barsoum et al., Training Deep Networks ... with Crowd-Sourced Label Distribution, ICMI 2016",
]


def card_of(metrics: list[Metric], features: int) -> Card:
    """Return the card of face_lite with measured figures. features: width of the last hidden layer."""
    return Card(
        name="face_lite",
        task="landmarks, facial movements, head rotation and gaze of a face",
        description=(
            "Small residual network for faces of 96x96 px in colour or grey. Activations of movements lie between 0"
            " (rest) and 1 (the strongest in the training photographs) and are no FACS intensities. It must not be used"
            " to judge a person's character, honesty or health. Known failures: AU05, AU07 and AU24 hardly move on"
            " renders, and AU01, AU05, AU07, AU16, AU17, AU24, AU25 and AU26 move others along there by more than half"
            " as much (the figures name them); a dark upper lip under a moustache is taken for an open mouth (AU26 of"
            " one such speaker: r 0.54 with the teacher, AU25 0.80); the gaze has no meaning while the eyes are closed."
            " AU06 and AU09 are not measured, because a smile raises both."
        ),
        features=features,
        size=SIDE,
        mean=[MEAN] * 3,
        std=[STD] * 3,
        template=list(TEMPLATE),
        measured=list(MEASURED),
        layout="specific to avfer",
        data=DATA,
        licence_weights=LICENCE,
        sources=SOURCES,
        metrics=metrics,
    )


def blended(start: FaceLite, end: FaceLite, share: float) -> FaceLite:
    """Return the network between two, without the layer for visible parts: 0 is the start, 1 the end of a run."""
    before, model = start.state_dict(), FaceLite()
    tensors = {
        name: torch.lerp(before[name], value, share) if value.is_floating_point() else value
        for name, value in end.state_dict().items()
    }
    model.load_state_dict(tensors)
    return model.half().float().eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def main() -> None:
    """Measure the averaged network of a run, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with the data of all corpora")
    parser.add_argument("--start", type=Path, help="weights (.safetensors) that the run began with")
    parser.add_argument("--share", type=float, default=0.5, help="of the run, where --start is given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.run / "mean.pt")
    if options.start:
        model = blended(load(options.start), model, options.share)
    path = save(
        model, card_of(figures(model, options.crops, options.data), model.num_features), options.output, half=True
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
