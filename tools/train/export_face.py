"""Score aver_lite on the FER+ test split and write its weights and card: `python -m tools.train.export_face DATA RUN`.

Protocol: FER2013 PrivateTest, table `votes`, majority filter, eight classes, 3,137 pictures, overall accuracy,
one pass without flips or crops. Macro recall, and the accuracy without the pictures that are also in the train split,
are reported as well.
"""

import argparse
from pathlib import Path

import torch

from avfer.models.backbones.aver_lite import AverLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import save
from tools.train.face import to_crops
from tools.train.ferplus import CLASSES, LICENCE, load_faces, majority

# Mean landmarks of frontal faces in FER2013, predicted by the last network of MTCNN and made symmetric.
TEMPLATE = [(0.309, 0.374), (0.691, 0.374), (0.5, 0.592), (0.338, 0.783), (0.662, 0.783)]
PROTOCOL = "FER+ test (PrivateTest), table votes, majority filter, 8 classes, {n} pictures, one pass"


@torch.inference_mode()
def scores(model: AverLite, data: Path) -> list[Metric]:
    """Return accuracy (with and without leaked pictures), macro recall and recall of each class on the test split."""
    pictures, arrays = load_faces(data, "test")
    labels, keep = majority(arrays["votes"])
    faces, targets = torch.from_numpy(pictures[keep]), torch.from_numpy(labels[keep])
    not_in_train = torch.from_numpy(~arrays["dup_in_train"][keep])
    right = torch.cat([model(to_crops(part)).argmax(1) for part in faces.split(256)]) == targets
    recall = torch.stack([right[targets == k].float().mean() for k in range(len(CLASSES))])
    counts = torch.bincount(targets, minlength=len(CLASSES)).tolist()
    protocol = PROTOCOL.format(n=len(targets))
    return [
        Metric(name="accuracy", value=round(right.float().mean().item(), 4), protocol=protocol),
        Metric(
            name="accuracy without pictures that are also in train",
            value=round(right[not_in_train].float().mean().item(), 4),
            protocol=PROTOCOL.format(n=int(not_in_train.sum())),
        ),
        Metric(name="macro recall", value=round(recall.mean().item(), 4), protocol=protocol),
        *(
            Metric(name=f"recall {name}", value=round(value.item(), 4), protocol=f"{count} pictures")
            for name, value, count in zip(CLASSES, recall, counts, strict=True)
        ),
    ]


def publish(data: Path, run: Path, folder: Path) -> None:
    """Score the best network of a run and write its weights and card to `folder`.

    data: folder with test.npz; run: output folder of tools.train.face.
    """
    model = AverLite()
    model.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    model.half().float()  # rounded to half precision, as it will be stored
    metrics = scores(model.eval(), data)
    card = Card(
        name="aver_lite",
        head="linear_lite",
        task="expression of a face, and its features",
        description=(
            "Residual network for grey-scale faces of 48x48 px, trained from scratch on the crowd votes of FER+ as soft"
            " labels. Faces must be aligned to the template, as the stage align_faces does."
        ),
        features=model.num_features,
        classes=list(CLASSES),
        size=48,
        mean=[0.5] * 3,
        std=[0.25] * 3,
        template=TEMPLATE,
        data=(
            "FER2013 with FER+ votes, training split (27,947 pictures); the epoch was selected on the validation split"
        ),
        licence_weights=LICENCE,
        sources=[
            "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
            "Barsoum et al., Training Deep Networks ... with Crowd-Sourced Label Distribution, ICMI 2016",
        ],
        metrics=metrics,
    )
    path = save(model, card, folder / f"{card.name}.safetensors", half=True)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {sum(p.numel() for p in model.parameters()):,} parameters")
    for metric in metrics:
        print(f"{metric.value:.4f}  {metric.name}  ({metric.protocol})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with test.npz")
    parser.add_argument("run", type=Path, help="output folder of tools.train.face")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder for the weights")
    options = parser.parse_args()
    publish(options.data, options.run, options.folder)
