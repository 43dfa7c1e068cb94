"""Triplets of faces: drawn beside every batch, cropped from the pictures of FEC, and ranked by the loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avfer.errors import DatasetError
from tests.training.loss_steps import losses_of, make_task, train_steps, triplet_accuracy

TRIOS = {"corpus": "tests.training.toy_images:Trios", "batch": 9}


@pytest.mark.slow
def test_triplets_are_ranked_correctly_after_some_steps(tmp_path):
    torch.manual_seed(0)
    task = make_task(
        tmp_path, model="aver_student", size=64, model_options={"backbone": "densenet121"}, losses={"triplet": 1.0}
    )
    pixels = task.batch(list(range(12))).pixels
    faces = torch.tensor([[0, 3, 1], [1, 4, 2], [2, 5, 0], [6, 9, 7], [7, 10, 8]])  # by class, of three
    batch = replace(task.batch([0, 1, 2]), triplets=pixels[faces], margins=torch.full((5,), 0.2))
    found = []
    for steps in (0, 8):
        train_steps(task, batch, steps)
        with torch.no_grad():
            embedding = task.objective.model.predict(batch.triplets.flatten(0, 1)).extras["embedding"]
            embedded = embedding.unflatten(0, (5, 3))
        found.append((losses_of(task, batch)["triplet"], float(triplet_accuracy(*embedded.unbind(1)))))
    assert found[1][0] < 0.5 * found[0][0]
    assert found[1][1] == 1.0


def test_triplets_are_drawn_beside_every_batch_with_the_odd_face_last(tmp_path):
    task = make_task(tmp_path / "run", triplets={**TRIOS, "root": str(tmp_path)})
    assert len(task.batch([0, 1]).triplets) == 2, "a quarter of a batch has a quarter of the triplets"
    drawn = task.batch(list(range(8)))
    assert drawn.triplets.shape == (9, 3, 3, 32, 32)
    values = (drawn.triplets * 0.2 + 0.4).mean((2, 3, 4)) * 255
    assert values[:, 2].tolist() == pytest.approx([255.0] * 9, abs=0.1)
    assert torch.equal(values[:, 0], values[:, 1])
    numbers = (values[:, 0] - 100).round().int().tolist()
    assert not {4, 9} & set(numbers), "triplets without agreement are not drawn"
    assert drawn.margins.tolist() == pytest.approx([0.1 + 0.1 * (number % 2) for number in numbers])


def test_triplets_of_fec_are_faces_cropped_from_their_images(tmp_path):
    (tmp_path / "images").mkdir()
    cells = []
    for name, grey in (("a", 60), ("b", 200), ("c", 60)):
        pixels = np.zeros((40, 40, 3), np.uint8)
        pixels[10:30, 20:40] = grey
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
        cells += [f"http://faces/{name}.png", "0.5", "1.0", "0.25", "0.75"]
    annotators = [cell for number in range(6) for cell in (f"p{number}", "2")]
    row = ",".join([*cells, "ONE_CLASS_TRIPLET", *annotators])
    (tmp_path / "faceexp-comparison-data-train-public.csv").write_text(row + "\n")
    drawn = make_task(tmp_path / "run", triplets={"root": str(tmp_path), "batch": 8}).batch([0, 1])
    values = (drawn.triplets * 0.2 + 0.4) * 255
    assert torch.allclose(values[:, :2], torch.tensor(60.0), atol=0.1)
    assert torch.allclose(values[:, 2], torch.tensor(200.0), atol=0.1)
    assert drawn.margins.tolist() == pytest.approx([0.1, 0.1])


def test_a_corpus_without_an_agreed_triplet_is_refused(tmp_path):
    trios = {**TRIOS, "root": str(tmp_path), "partition": "dev"}
    with pytest.raises(DatasetError, match=r"of 0 examples in the partition 'dev' .* none has three"):
        make_task(tmp_path / "run", triplets=trios)
