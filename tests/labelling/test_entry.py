"""Ids of clips, and shards."""

import pytest

from avfer.errors import ConfigError
from avfer.labelling.entry import Shard, check_id


@pytest.mark.parametrize("name", ["../a.mp4", "a/../../b.mp4", "/a.mp4", "", "a\0.mp4", "b\udcff.mp4"])
def test_an_id_outside_the_output_folder_is_an_error(name):
    with pytest.raises(ConfigError):
        check_id(name)


def test_a_name_that_leaves_no_room_for_an_ending_is_an_error():
    assert check_id("s1/" + "я" * 121 + ".mp4")
    with pytest.raises(ConfigError, match=r"has 248 bytes, and labels take at most 247; rename the file, or name"):
        check_id("s1/" + "я" * 122 + ".mp4")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_clip_belongs_to_exactly_one_shard(count):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    owners = [[shard.contains(f"clip{number}") for shard in shards].count(True) for number in range(200)]
    assert set(owners) == {1}
    assert all(any(shard.contains(f"clip{number}") for number in range(200)) for shard in shards)
