import pytest

from avfer.datasets.listing import by_stem, check_root, find_folder, list_entries, natural, search_folders, walk
from avfer.errors import DatasetError
from tests.datasets.on_disk import empty


def test_natural_order_sorts_numbers_by_value():
    names = ["clip10", "clip2", "Clip1", "10", "2", "clip2b", "clip02"]
    assert sorted(names, key=natural) == ["2", "10", "Clip1", "clip02", "clip2", "clip2b", "clip10"]


def test_files_of_operating_systems_are_not_listed(tmp_path):
    empty(*(tmp_path / name for name in (".DS_Store", "._10.jpg", "Thumbs.db", "10.jpg", "9.jpg", "desktop.ini")))
    (tmp_path / "__MACOSX").mkdir()
    assert [path.name for path in list_entries(tmp_path)] == ["9.jpg", "10.jpg"]


@pytest.mark.parametrize("name", ["VA_Set", "va set", "VA-set", "vaset"])
def test_folders_are_found_however_they_are_spelled(tmp_path, name):
    (tmp_path / "5th ABAW" / name / "Train_Set").mkdir(parents=True)
    found = tmp_path / "5th ABAW" / name
    assert find_folder(tmp_path, "nothing", "5th_ABAW/VA_Set") == found
    assert list(search_folders(tmp_path, ["VA_Set", "AU_Set"])) == [found]
    assert find_folder(tmp_path, "5th_ABAW/AU_Set") is None


def test_the_exact_spelling_of_a_folder_comes_first(tmp_path):
    for name in ("a_set", "A Set", "A_Set"):
        (tmp_path / name).mkdir()
    assert find_folder(tmp_path, "A_Set") == tmp_path / "A_Set"


def test_a_walk_ends_at_its_depth_and_at_stop_names(tmp_path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "stop" / "d").mkdir(parents=True)
    found = [path.name for path in walk(tmp_path, 2, lambda name: name == "stop")]
    assert found == [tmp_path.name, "a", "stop", "b"]


def test_stems_keep_their_dots_and_the_first_ending_wins(tmp_path):
    empty(tmp_path / "a.b c.mp4", tmp_path / "a.b c.AVI", tmp_path / "d.txt")
    assert by_stem(tmp_path, (".avi", ".mp4")) == {"a.b c": tmp_path / "a.b c.AVI"}
    assert by_stem(None, (".mp4",)) == {}


def test_an_empty_root_raises_an_error(tmp_path):
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(DatasetError, match="is empty"):
        check_root(tmp_path)
