import math

import pytest

from avfer.datasets.text_files import lines, parse_integer, parse_number, read_lines
from avfer.errors import DatasetError
from tests.datasets.on_disk import text


@pytest.mark.parametrize("how", [{}, {"end": "\r\n"}, {"mark": "\ufeff"}])
def test_lines_are_the_same_with_any_end_and_mark(tmp_path, how):
    path = text(tmp_path / "a.txt", "é\x0b", "", "b", "", **how)
    assert read_lines(path) == ["é\x0b", "", "b"] and len(list(lines(path))) == 4


@pytest.mark.parametrize("content", [b"a\n\xff\n", b"a\nb\0\n", b"a\n\xff\xfe\n"])
def test_a_line_that_is_not_utf8_raises_an_error_with_its_number(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.txt, line 2: not UTF-8"):
        read_lines(path)


def test_lines_that_end_with_a_carriage_return_alone_raise_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"a\.txt, line 1: a carriage return .* not CSV Macintosh"):
        read_lines(text(tmp_path / "a.txt", "path,valence", "a.mp4,0.1", end="\r"))


def test_a_missing_file_raises_an_error(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        read_lines(tmp_path / "a.txt")


@pytest.mark.parametrize(("cell", "value"), [("0.5", 0.5), (" -5 ", -5), ("+.5", 0.5), ("1e-3", 1e-3), ("3.", 3)])
def test_numbers_are_read(cell, value):
    assert parse_number(cell, "here") == value


@pytest.mark.parametrize("cell", ["", " ", "NaN", "-nan", "?", "NA", "n/a", "#N/A", "NULL", "<NA>"])
def test_missing_values_are_nan(cell):
    assert math.isnan(parse_number(cell, "here"))
    with pytest.raises(DatasetError, match="here"):
        parse_integer(cell, "here")


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
def test_other_text_raises_an_error_with_the_line(cell, message):
    with pytest.raises(DatasetError, match=f"file, line 3.*{message}"):
        parse_number(cell, "file, line 3")


def test_whole_numbers_may_have_a_point():
    assert parse_integer("3.0", "here") == 3
    with pytest.raises(DatasetError, match="not a whole number"):
        parse_integer("3.5", "here")
