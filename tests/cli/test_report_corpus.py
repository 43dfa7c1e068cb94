"""avfer report DIR: a folder of avfer label as one page, and the pages of its clips."""

import json
from pathlib import Path

import pytest

from avfer.labelling.store import Store
from tests.export.tracks import TWO_PEOPLE
from tests.labelling.labelled_folder import LabelledClip, write_labelled_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = [LabelledClip("s/talk.mp4", TWO_PEOPLE.to_table()), LabelledClip("bad.mp4", failure="cannot be read")]
    return write_labelled_folder(tmp_path / "labels", clips, str(tmp_path))


def addresses(page: Path) -> dict[str, str | None]:
    """Return the links of the clips on the page of a corpus."""
    data = page.read_text().split('id="clips">')[1].split("</script>")[0]
    return {row[0]: row[-1] for row in json.loads(data)["rows"]}


def test_a_labelled_folder_becomes_one_page(avfer, folder, tmp_path):
    done = avfer("report", folder, "--output", tmp_path / "corpus.html")
    assert (done.code, done.paths) == (0, [tmp_path / "corpus.html"])
    assert addresses(tmp_path / "corpus.html") == {"s/talk.mp4": None, "bad.mp4": None}
    assert avfer("report", folder, "--output", tmp_path / "corpus.html").code == 2
    assert avfer("report", folder, "--output", tmp_path / "corpus.html", "--overwrite").code == 0


def test_each_clip_gets_a_page_of_its_own_that_is_linked_and_kept(avfer, folder, tmp_path):
    assert avfer("report", folder, "--output", tmp_path / "corpus.html", "--each").code == 0
    address = addresses(tmp_path / "corpus.html")["s/talk.mp4"]
    assert address == "./labels/reports/s/talk.mp4.html"
    page = tmp_path / address
    page.write_text("kept")
    avfer("report", folder, "--output", tmp_path / "corpus.html", "--each", "--overwrite")
    assert page.read_text() != "kept"
    page.write_text("kept")
    avfer("report", folder, "--output", tmp_path / "other.html", "--each")
    assert page.read_text() == "kept"


def test_a_clip_whose_page_cannot_be_written_is_named_and_the_corpus_is_shown(avfer, folder, tmp_path):
    table = Store(folder).table("s/talk.mp4")
    table.write_bytes(b"\0" * table.stat().st_size)
    done = avfer("report", folder, "--output", tmp_path / "corpus.html", "--each")
    assert done.code == 3 and "s/talk.mp4: " in done.err and done.paths == [tmp_path / "corpus.html"]
    assert "reports: 1 failed, 1 without a table\n" in done.err
    assert "clips: 1 done (1 with a damaged table), 1 failed, 0 left\n" in done.err


def test_the_progress_counts_written_and_kept_pages_apart_from_clips_without_a_table(avfer, folder, tmp_path):
    for number, word in enumerate(("written", "kept")):
        done = avfer("report", folder, "--output", tmp_path / f"{number}.html", "--each")
        assert f"reports: 1 {word}, 1 without a table\n" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clip", "talk.mp4"], "--clip: the report of a corpus does not use it"),
        (["--threshold", "0.5"], "--threshold: the report of a corpus does not use it"),
        (["--embed"], "choose how the page of a clip is made; add --each"),
    ],
)
def test_options_on_one_table_are_errors_for_a_corpus(avfer, folder, tmp_path, options, message):
    done = avfer("report", folder, "--output", tmp_path / "corpus.html", *options)
    assert done.code == 2 and message in done.err
    assert not (tmp_path / "corpus.html").exists()


def test_a_corpus_beside_tables_and_each_without_a_corpus_are_errors(avfer, folder, tmp_path):
    table = TWO_PEOPLE.save(tmp_path / "talk.parquet")
    done = avfer("report", folder, table, "--output", tmp_path / "corpus.html")
    assert done.code == 2 and "the report of a corpus takes one" in done.err
    done = avfer("report", table, "--output", tmp_path / "corpus.html", "--each")
    assert done.code == 2 and "needs the output folder of avfer label" in done.err
