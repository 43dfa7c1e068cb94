"""Names of tensors under a table of patterns."""

import pytest
import torch

from avfer.models.tensor_files import count_numbered, rename_tensors

TABLE = [(r"^features\.", "trunk."), (r"cat_head(\d+)\.", r"heads.\1."), (r"heads\.(\d+)\.sa\.", r"heads.\1.spatial.")]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("features.0.weight", "trunk.0.weight"),
        ("cat_head3.sa.0.bias", "heads.3.spatial.0.bias"),
        ("local.features.1", "local.features.1"),
        ("trunk.0.weight", "trunk.0.weight"),
    ],
)
def test_patterns_apply_one_after_the_other(theirs, ours):
    tensor = torch.zeros(1)
    assert rename_tensors({theirs: tensor}, TABLE) == {ours: tensor}


def test_each_number_is_counted_once():
    names = ["heads.0.a", "heads.0.b", "heads.12.a", "heads.x.a", "more.heads.1.a", "heads.2"]
    assert count_numbered(dict.fromkeys(names, torch.zeros(1)), "heads.") == 2
