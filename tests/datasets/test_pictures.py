"""Pictures of a corpus: grey ones get three channels, and every kind of damage is an error that names the file."""

import numpy as np
import pytest
from PIL import Image

from avfer.datasets.pictures import open_picture, to_rgb
from avfer.errors import DatasetError
from tests.datasets.on_disk import damaged_picture

DAMAGED = [b"not a picture", damaged_picture("PNG"), damaged_picture("BMP")]


@pytest.mark.parametrize("content", DAMAGED, ids=["none", "chunk", "size"])
def test_the_error_for_a_damaged_picture_names_its_path(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.png is not a readable picture"):
        open_picture(path, path)


def test_a_grey_picture_has_equal_channels(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    picture = open_picture(tmp_path / "grey.png", "grey.png")
    assert np.array_equal(picture, pixels)
    assert np.array_equal(to_rgb(picture), np.stack([pixels] * 3, axis=2))
