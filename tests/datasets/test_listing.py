import math

import pytest

from avfer.datasets.listing import by_stem, check_root, entries, find_folder, natural, search_folders, walk
from avfer.datasets.text_files import integer, lines, number, read_lines
from avfer.errors import DatasetError
from tests.datasets.on_disk import empty, text


def test_natural_order_goes_by_the_value_of_numbers():
    names = ["clip10", "clip2", "Clip1", "10", "2", "clip2b", "clip02"]
    assert sorted(names, key=natural) == ["2", "10", "Clip1", "clip02", "clip2", "clip2b", "clip10"]


def test_what_operating_systems_leave_is_not_listed(tmp_path):
    empty(*(tmp_path / name for name in (".DS_Store", "._10.jpg", "Thumbs.db", "10.jpg", "9.jpg", "desktop.ini")))
    (tmp_path / "__MACOSX").mkdir()
    assert [path.name for path in entries(tmp_path)] == ["9.jpg", "10.jpg"]


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


def test_a_walk_ends_at_its_depth_and_where_it_is_told(tmp_path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "stop" / "d").mkdir(parents=True)
    found = [path.name for path in walk(tmp_path, 2, lambda name: name == "stop")]
    assert found == [tmp_path.name, "a", "stop", "b"]


def test_stems_keep_their_dots_and_the_first_ending_wins(tmp_path):
    empty(tmp_path / "a.b c.mp4", tmp_path / "a.b c.AVI", tmp_path / "d.txt")
    assert by_stem(tmp_path, (".avi", ".mp4")) == {"a.b c": tmp_path / "a.b c.AVI"}
    assert by_stem(None, (".mp4",)) == {}


def test_an_empty_root_is_told(tmp_path):
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(DatasetError, match="is empty"):
        check_root(tmp_path)


@pytest.mark.parametrize("how", [{}, {"end": "\r\n"}, {"mark": "\ufeff"}])
def test_lines_are_the_same_with_any_end_and_mark(tmp_path, how):
    path = text(tmp_path / "a.txt", "é\x0b", "", "b", "", **how)
    assert read_lines(path) == ["é\x0b", "", "b"] and len(list(lines(path))) == 4


@pytest.mark.parametrize("content", [b"a\n\xff\n", b"a\nb\0\n", b"a\n\xff\xfe\n"])
def test_the_line_that_is_no_utf8_is_named(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.txt, line 2: not UTF-8"):
        read_lines(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        read_lines(tmp_path / "a.txt")


@pytest.mark.parametrize(("cell", "value"), [("0.5", 0.5), (" -5 ", -5), ("+.5", 0.5), ("1e-3", 1e-3), ("3.", 3)])
def test_numbers_are_read(cell, value):
    assert number(cell, "here") == value


@pytest.mark.parametrize("cell", ["", " ", "NaN", "-nan", "?", "NA"])
def test_absent_values_are_nan(cell):
    assert math.isnan(number(cell, "here"))
    with pytest.raises(DatasetError, match="here"):
        integer(cell, "here")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("0,5", "decimal comma"),
        (",5", "decimal comma"),
        ("1_0", "not a number"),
        ("inf", "not a number"),
        ("٣", "not a number"),
    ],
)
def test_everything_else_is_no_number(cell, message):
    with pytest.raises(DatasetError, match=f"file, line 3.*{message}"):
        number(cell, "file, line 3")


def test_whole_numbers_may_have_a_point():
    assert integer("3.0", "here") == 3
    with pytest.raises(DatasetError, match="not a whole number"):
        integer("3.5", "here")
