"""What a notebook shows of a result."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from avfer.affect_track import AffectTrack
from tests.export.tracks import SOURCE, TRACKS, TWO_PEOPLE, make_track


@pytest.mark.parametrize("name", TRACKS)
def test_a_result_is_shown_with_coverage_and_without_any_script(name):
    shown = TRACKS[name]._repr_html_()
    assert "talk.mp4" in shown and not re.search(r"<script|<img|https?://", shown)
    assert ("<svg" in shown) == (name != "no rows")


def test_each_person_has_a_line_in_the_colour_of_its_curve():
    shown = TWO_PEOPLE._repr_html_()
    first, second = re.findall(r'color:(#\w+)">&#9679;</span> (track \d)</td><td>(\d+)</td>', shown)
    assert (first[1:], second[1:]) == (("track 1", "60"), ("track 2", "20"))
    assert all(f'stroke="{colour}"' in shown for colour, *_ in (first, second))


def test_all_of_many_people_are_shown():
    shown = make_track([(frame, person) for frame in range(4) for person in range(30)], 4)._repr_html_()
    assert shown.count("&#9679;") == 30 and shown.count("<title>Valence of") == 30


class Names(HTMLParser):
    """Collects the names of the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)


def test_a_hostile_clip_name_is_text():
    name = "<img src=x onerror=alert(1)>\"'\u202e.mp4"
    track = replace(TWO_PEOPLE, source=replace(SOURCE, clip=name))
    parser = Names()
    parser.feed(track._repr_html_())
    assert "img" not in parser.names and "&lt;img" in track._repr_html_()


def test_a_result_without_instants_is_shown():
    assert "0 rows" in make_track([], 0)._repr_html_() or "0 frames" in make_track([], 0)._repr_html_()


def test_a_long_clip_gives_a_small_view():
    """A saved notebook contains it."""
    track = make_track([(frame, 1) for frame in range(20_000)], 20_000)
    assert isinstance(track, AffectTrack) and len(track._repr_html_()) < 60_000
