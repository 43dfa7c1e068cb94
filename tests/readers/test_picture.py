"""Decoded frames: their pixels in a batch, and the memory that they take and give back."""

import gc
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avfer.readers import seek
from avfer.readers.picture import FrameMemory, stack_rgb
from tests.media_maker import write_clip


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("width", [64, 50])  # rows without and with a gap between them in memory
def test_a_frame_has_the_same_pixels_alone_and_in_a_chunk(tmp_path: Path, width: int, rotation: int):
    drawn = np.random.default_rng(0).integers(0, 255, (4, 48, width, 3), np.uint8)
    frames = list(seek.pictures(write_clip(tmp_path / "a.mp4", drawn, rotation=rotation)))
    chunk = stack_rgb(frames, frames[0].size, FrameMemory())
    for number, frame in enumerate(frames):
        assert torch.equal(stack_rgb([frame], frame.size, FrameMemory())[0], chunk[number])


def test_the_memory_of_frames_is_used_again_only_once_no_tensor_needs_it() -> None:
    memory = FrameMemory()
    pixels = torch.from_numpy(memory.allocate((2, 4, 4, 3)))
    place, frame = pixels.data_ptr(), pixels[1]
    del pixels
    other = torch.from_numpy(memory.allocate((2, 4, 4, 3)))  # one frame is still in use
    assert other.data_ptr() != place
    del frame
    assert torch.from_numpy(memory.allocate((1, 4, 4, 3))).data_ptr() == place


def test_an_empty_batch_uses_no_memory_of_frames() -> None:
    memory = FrameMemory()
    place = memory.allocate((2, 4, 4, 3)).ctypes.data
    empty = memory.allocate((0, 4, 4, 3))
    assert memory.allocate((2, 4, 4, 3)).ctypes.data == place
    assert empty.shape == (0, 4, 4, 3)


def test_a_frame_that_is_no_longer_needed_is_freed_at_once(tmp_path: Path) -> None:
    def frames_in_memory() -> int:
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    clip = write_clip(tmp_path / "a.mp4", np.zeros((9, 48, 64, 3), np.uint8), rotation=90)
    gc.collect()
    before = frames_in_memory()
    gc.disable()  # frames that wait for a collection would keep the decoder's memory
    try:
        assert [picture.rgb(picture.size).shape for picture in seek.pictures(clip)] == [(64, 48, 3)] * 9
        assert frames_in_memory() == before
    finally:
        gc.enable()
