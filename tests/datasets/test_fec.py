import numpy as np
import pytest
from PIL import Image

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.fec import BEYOND, EMPTY_BOX, Fec
from avfer.errors import ConfigError, DatasetError
from avfer.losses.aver_losses import MARGINS
from tests.datasets.on_disk import count_notes, only, text

TRAIN, TEST = (f"faceexp-comparison-data-{part}-public.csv" for part in ("train", "test"))
BOUNDS = (0.25, 0.75, 0.1, 0.5)  # left, right, top, bottom
SITE = "http://example.org/photos"


def row(choices, kind="TWO_CLASS_TRIPLET", urls=("a.jpg", "b.jpg", "c.jpg"), bounds=BOUNDS):
    faces = [cell for url in urls for cell in (f"{SITE}/{url}", *bounds)]
    return ",".join(map(str, [*faces, kind, *(cell for pair in enumerate(choices) for cell in pair)]))


def fec(root, *lines, file=TRAIN):
    text(root / file, *lines)
    for shade, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "d,e.jpg", "x y.jpg")):
        pixels = np.full((50, 40, 3), 200, np.uint8)
        pixels[5:25, 10:30] = 40 * shade  # where the face is
        (root / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / "images" / name, format="PNG")
    return root


@pytest.mark.parametrize(
    ("choices", "votes", "odd"),
    [
        ((3, 3, 3, 3, 1, 2), [1, 1, 4], 3),
        ((1, 1, 1, 1, 1, 1), [6, 0, 0], 1),
        ((2, 2, 2, 2, 2, 1, 3, 3), [1, 5, 2], None),
        ((2, 2), [0, 2, 0], 2),
        ((3, 3, 3, 1, 2, 1), [2, 1, 3], None),
        ((1, 1, 1, 2, 2, 2), [3, 3, 0], None),
        ((), [0, 0, 0], None),
    ],
)
def test_the_odd_face_is_that_of_four_in_six_in_rows_of_any_length(tmp_path, choices, votes, odd):
    corpus = open_corpus("fec", fec(tmp_path, row(choices), row((1,))))
    example = next(corpus.examples("train"))
    assert example.labels["odd_votes"].values.tolist() == votes
    assert example.labels["odd"].valid.tolist() == [odd is not None] * 3
    if odd is not None:
        assert example.labels["odd"].values.tolist() == [float(place + 1 == odd) for place in range(3)]
    assert bool(corpus.notes.counts.get("triplets whose annotators do not agree: kept, not valid")) == (odd is None)


def test_the_share_of_annotators_who_must_agree_can_be_set(tmp_path):
    fec(tmp_path, row((3, 3, 3, 1, 2, 1)))
    assert only(Fec(tmp_path, agreement=0.5)).labels["odd"].values.tolist() == [0, 0, 1]
    assert "50%" in Fec(tmp_path, agreement=0.5).protocol and "67%" in Fec(tmp_path).protocol
    tie = fec(tmp_path / "tie", row((1, 1, 2, 2)))
    assert not only(Fec(tie, agreement=0.1)).labels["odd"].valid.any(), "a tie decides nothing"


@pytest.mark.parametrize("kind", MARGINS)
def test_the_kind_of_a_triplet_is_known_to_the_loss(tmp_path, kind):
    labels = only(Fec(fec(tmp_path, row((1,), kind)))).labels["kind"]
    assert {labels.names[index] for index in labels.values} == {kind}


@pytest.mark.parametrize("home", ["FEC_dataset", "FEC_dataset/FEC_dataset"])
def test_the_pictures_beside_the_files_are_found_from_the_folder_above(tmp_path, home):
    (tmp_path / home).mkdir(parents=True)
    fec(tmp_path / home, row((1, 1)))
    assert only(Fec(tmp_path)).pictures[0] == tmp_path / home / "images" / "a.jpg"


def test_both_files_are_partitions_and_rows_are_identified_by_line(tmp_path):
    fec(tmp_path, *[row((1, 1))] * 11)
    corpus = Fec(fec(tmp_path, row((2, 2)), file=TEST))
    assert corpus.partitions == ("train", "test")
    assert [e.id for e in corpus.examples("train")] == [f"train/{line}" for line in range(1, 12)]
    report = check(corpus)
    assert report.passed and report.partitions["train"].pictures == 33 and report.partitions["test"].examples == 1


def test_a_face_is_cut_out_by_left_right_top_bottom(tmp_path):
    corpus = Fec(fec(tmp_path, row((1, 1))))
    example = only(corpus)
    box = example.labels["box"]
    assert box.names == ("x1", "y1", "x2", "y2") and box.values[0].tolist() == [0.25, 0.1, 0.75, 0.5]
    for step in range(3):
        face = corpus.face(example, step)
        assert face.shape == (20, 20, 3) and (face == 40 * step).all()


@pytest.mark.parametrize("bounds", [(0.995, 1.0, 0.995, 1.0), (0.5, 0.501, 0.5, 0.501)])
def test_the_smallest_face_has_a_pixel(tmp_path, bounds):
    corpus = Fec(fec(tmp_path, row((1, 1), bounds=bounds)))
    assert corpus.face(only(corpus), 0).shape == (1, 1, 3)


def test_a_face_beyond_its_picture_is_cut_and_one_without_extent_has_no_picture(tmp_path):
    beyond, empty = row((1, 1), bounds=(-0.1, 0.5, 0.0, 1.2)), row((1, 1), bounds=(0.5, 0.5, 0.1, 0.2))
    corpus = Fec(fec(tmp_path, beyond, empty))
    cut, none = corpus.examples("train")
    assert cut.labels["box"].values[0].tolist() == [0, 0, 0.5, 1] and corpus.face(cut, 0).shape == (50, 20, 3)
    assert none.pictures == (None,) * 3 and not none.labels["box"].valid.any()
    assert np.isnan(none.labels["box"].values).all()
    assert corpus.notes.counts[BEYOND] == corpus.notes.counts[EMPTY_BOX] == 3


@pytest.mark.parametrize("url", ["d,e.jpg", '"quoted"'])
def test_urls_may_hold_commas_and_quotes(tmp_path, url):
    line = row((3, 3), urls=("a.jpg", url if "," in url else "d,e.jpg", "c.jpg"))
    if '"' in url:
        line = line.replace(f"{SITE}/d,e.jpg", f'"{SITE}/d,e.jpg"')
    corpus = Fec(fec(tmp_path, line))
    example = only(corpus)
    assert [path.name for path in example.pictures] == ["a.jpg", "d,e.jpg", "c.jpg"]
    assert example.labels["box"].values[1].tolist() == [0.25, 0.1, 0.75, 0.5]
    assert bool(count_notes(corpus, "comma")) == ('"' not in url)


def test_pictures_are_named_as_their_urls_end(tmp_path):
    corpus = Fec(fec(tmp_path, row((1, 1), urls=("a.jpg?size=large", "x%20y.jpg", "gone.jpg"))))
    example = only(corpus)
    assert [path and path.name for path in example.pictures] == ["a.jpg", "x y.jpg", None]
    assert check(corpus).passed, "many links are dead"
    with pytest.raises(DatasetError, match="face 3 has no picture"):
        corpus.face(example, 2)


def test_a_damaged_url_has_a_name_at_its_end_as_well(tmp_path):
    corpus = Fec(fec(tmp_path, row((1, 1)).replace(f"{SITE}/b.jpg", "http://[photos/b.jpg")))
    assert [path.name for path in only(corpus).pictures] == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize(("again", "count"), [("b.jpg", 0), ("2/b.jpg", 2), ("2/gone.jpg", 0)])
def test_different_urls_with_the_same_file_name_are_counted(tmp_path, again, count):
    corpus = Fec(fec(tmp_path, row((1, 1)), *[row((1, 1), urls=("a.jpg", again, "c.jpg"))] * 2))
    assert len(list(corpus.examples("train"))) == 3
    assert count_notes(corpus, "same file name") == count


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row((1, 1), "FOUR_CLASS_TRIPLET"), "line 1: no ONE_CLASS_TRIPLET"),
        (row((1, 4)), "line 1: choice must be 1, 2 or 3, got 4"),
        (row((1, 0)), "line 1: choice must be 1, 2 or 3, got 0"),
        (row((1, 1)) + ",7", "line 1: the last annotator has no choice"),
        (row((1, 1)).replace("0.25,", "", 1), "line 1: .* must be cell 16, found at cell 15"),
        (row((1, 1)).replace("0.25", "left", 1), "'left' is not a number"),
        (row((1, 1)).replace("http", "extra,http", 1), "must be cell 16, found at cell 17"),
    ],
)
def test_damaged_rows_raise_an_error_with_the_line(tmp_path, line, message):
    with pytest.raises(DatasetError, match=message):
        list(Fec(fec(tmp_path, line)).examples("train"))


@pytest.mark.parametrize("agreement", [0, 1.5, -1])
def test_an_agreement_outside_0_to_1_raises_a_config_error(tmp_path, agreement):
    with pytest.raises(ConfigError, match="agreement"):
        Fec(fec(tmp_path, row((1,))), agreement=agreement)


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    text(tmp_path / "triplets.csv", row((1,)))
    with pytest.raises(DatasetError, match=f"looked for {TRAIN}, {TEST}"):
        Fec(tmp_path)
