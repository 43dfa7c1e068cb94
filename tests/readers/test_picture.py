"""The memory of pictures is used again, but never while somebody holds a part of it."""

import gc

import torch

from avfer.readers.picture import Buffers


def test_memory_in_use_is_not_given_twice() -> None:
    buffers = Buffers()
    held = torch.from_numpy(buffers.take(24).reshape(2, 4, 3))[1]  # a view alone is held
    held.fill_(7)
    gc.collect()
    buffers.take(24).fill(1)
    assert (held == 7).all()


def test_memory_let_go_is_used_again() -> None:
    buffers = Buffers()
    first = buffers.take(4096)
    place = first.ctypes.data
    del first
    assert buffers.take(1000).ctypes.data == place


def test_a_larger_wish_gets_new_memory() -> None:
    buffers = Buffers()
    buffers.take(10)
    assert len(buffers.take(5000)) == 5000


def test_nothing_can_be_asked_for() -> None:
    assert Buffers().take(0).shape == (0,)
