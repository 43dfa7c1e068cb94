"""Crops of a sequence changed at random, all of them alike: a face that moves still moves as it did."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.training.augment import augmented, erased
from avfer.training.sequences import Batch
from avfer.training.training_config import Augmentation


def augmented_alike(batch: Batch, how: Augmentation, card: Card, seed: int, threads: int) -> Batch:
    """The batch with each sequence of crops changed in a way of its own, drawn by its place in the batch and `seed`."""
    places = batch.has_face.nonzero().tolist()
    mean = 255 * torch.tensor(card.mean[::-1] if card.colour == "bgr" else card.mean)[:, None, None]

    def one(place: list[int]) -> Tensor:
        sequence, step = place
        random = np.random.default_rng([seed, sequence])  # the same for every step
        crop = batch.face[sequence, step].permute(2, 0, 1)
        shown = augmented(crop, crop.shape[1], how, random)
        shown = erased(shown - mean, how, random) + mean  # the mean is what a network is told as 0
        return shown.round().to(torch.uint8).permute(1, 2, 0)

    face = batch.face.clone()
    with ThreadPoolExecutor(threads) as pool:
        for (sequence, step), shown in zip(places, pool.map(one, places), strict=True):
            face[sequence, step] = shown
    return replace(batch, face=face)
