from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.ferplus import FerPlus, choose
from avfer.datasets.ferplus_files import CLASSES
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import text

REAL = Path(__file__).parents[3] / "shared" / "data" / "ferplus"
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
BOX = '"(0, 0, 48, 48)"'
VOTES = {  # ten votes; the expression by the majority, and by the plurality
    "fer0000010": ([0, 8, 1, 1, 0, 0, 0, 0, 0, 0], "happiness", "happiness"),
    "fer0000002": ([4, 0, 0, 4, 1, 1, 0, 0, 0, 0], None, "neutral"),
    "fer0000003": ([1, 1, 1, 0, 0, 0, 4, 1, 1, 1], "fear", "fear"),
    "fer0000004": ([3, 0, 0, 0, 0, 0, 0, 0, 7, 0], None, None),
    "fer0000005": ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], None, None),
    "fer0000006": ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None, "neutral"),
}


def picture(path, shade, size=(48, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path)


def row(votes):
    return ",".join(map(str, votes))


def folders(root, header="", **how):
    """Write FER+ in folders, as its script does."""
    for shade, folder in enumerate(FOLDERS.values()):
        names = [name.replace("fer", f"fer{shade}") for name in VOTES]
        rows = [f"{name}.png,{BOX},{row(VOTES[plain][0])}" for name, plain in zip(names, VOTES, strict=True)]
        text(root / folder / "label.csv", *([header] if header else []), *rows, **how)
        for place, name in enumerate(names):
            picture(root / folder / f"{name}.png", 50 * shade + place)
    return root


def listed(root, usages=tuple(FOLDERS), pictures=True):
    """Write fer2013new.csv, which has the votes of all partitions."""
    rows = []
    for shade, usage in enumerate(usages):
        for place, (name, (votes, _, _)) in enumerate(VOTES.items()):
            name = name.replace("fer", f"fer{shade}")
            rows.append(f"{usage},{name}.png,{row(votes)}")
            if pictures:
                picture(root / FOLDERS[usage] / f"{name}.png", 50 * shade + place)
        rows.append(f"{usage},,{row([0] * 9 + [10])}")
    text(root / "fer2013new.csv", HEADER, *rows, end="\r\n", mark="\ufeff")
    return root


def arrays(root, **changed):
    """Write FER+ as arrays, one file for each partition."""
    folders(root / "source")
    for name, folder in zip(("train", "valid", "test"), FOLDERS.values(), strict=True):
        files = sorted((root / "source" / folder).glob("*.png"))
        files = [next(f for f in files if f.stem.endswith(plain[3:])) for plain in VOTES]
        png = [file.read_bytes() for file in files]
        votes = np.array([votes for votes, _, _ in VOTES.values()], np.uint8)
        data = {
            "png": np.frombuffer(b"".join(png), np.uint8),
            "offset": np.cumsum([0, *map(len, png)]),
            "name": np.array([file.name.encode() for file in files]),
            "votes": votes,
            "votes_csv": votes[::-1],
            "dup_in_train": np.arange(len(files)) == 1,
        }
        np.savez(root / f"{name}.npz", **{key: value for key, value in (data | changed).items() if value is not None})
    for folder in FOLDERS.values():
        for file in (root / "source" / folder).iterdir():
            file.unlink()
    return root


LAYOUTS = {"folders": folders, "list": listed, "arrays": arrays}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_are_read_with_their_votes_in_every_layout(tmp_path, layout):
    corpus = open_corpus("ferplus", LAYOUTS[layout](tmp_path))
    assert corpus.partitions == ("train", "dev", "test")
    for shade, partition in enumerate(corpus.partitions):
        found = list(corpus.examples(partition))
        assert [example.id for example in found] == [
            f"fer{shade}00000{n}" for n in ("02", "03", "04", "05", "06", "10")
        ]
        for example in found:
            plain = f"fer{example.id[4:]}"
            votes, majority, _ = VOTES[plain]
            expression, counts = example.labels["expression"], example.labels["votes"]
            assert counts.values.tolist() == [votes] and counts.names[:8] == CLASSES == expression.names
            assert expression.valid.tolist() == [majority is not None]
            assert expression.values[0] == (-1 if majority is None else CLASSES.index(majority))
            pixels = corpus.picture(example)
            assert pixels.shape == (48, 48) and pixels.dtype == np.uint8
            assert (pixels == 50 * shade + list(VOTES).index(plain)).all()


@pytest.mark.parametrize(("labels", "place"), [("majority", 1), ("plurality", 2)])
def test_the_rule_decides_and_is_part_of_the_protocol(tmp_path, labels, place):
    corpus = FerPlus(folders(tmp_path), labels=labels)
    found = {f"fer{e.id[4:]}": e.labels["expression"] for e in corpus.examples("test")}
    for name, labels_found in found.items():
        wanted = VOTES[name][place]
        assert (labels_found.names[labels_found.values[0]] if labels_found.valid[0] else None) == wanted
    assert f"; {labels}: " in corpus.protocol and "votes of label.csv" in corpus.protocol


def test_half_of_the_votes_are_no_majority():
    assert choose(np.array([[5, 5] + [0] * 8, [6, 4] + [0] * 8]), "majority").tolist() == [-1, 0]


def test_votes_of_a_picture_without_a_class_are_kept_and_not_valid(tmp_path):
    corpus = FerPlus(folders(tmp_path))
    valid = {e.id: e.labels["votes"].valid for e in corpus.examples("train")}
    assert {name for name, mask in valid.items() if not mask.any()} == {"fer00000004", "fer00000005"}
    assert all(mask.shape == (1, 10) for mask in valid.values())
    assert "pictures without an expression by the rule: kept, not valid" in corpus.notes.counts


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_label_file_may_have_a_header_a_mark_and_other_line_ends(tmp_path, mark, end):
    header = "name,box," + HEADER.partition("name,")[2]
    with_header = FerPlus(folders(tmp_path, header=header, mark=mark, end=end))
    assert len(list(with_header.examples("train"))) == len(VOTES)


def test_columns_of_the_list_are_identified_by_name(tmp_path):
    picture(tmp_path / "FER2013Test" / "fer0000001.png", 1)
    swapped = HEADER.replace("neutral,happiness", "happiness,neutral")
    text(tmp_path / "fer2013new.csv", swapped, f"PrivateTest,fer0000001.png,{row([9, 0, 0, 0, 0, 0, 0, 0, 1, 0])}")
    (example,) = FerPlus(tmp_path).examples("test")
    assert CLASSES[example.labels["expression"].values[0]] == "happiness"
    assert example.labels["votes"].values[0, :2].tolist() == [0, 9]


def test_rows_without_a_picture_and_rows_that_repeat_one_are_counted(tmp_path):
    listed(tmp_path)
    with (tmp_path / "fer2013new.csv").open("a") as file:
        file.write(f"Training,fer00000010.png,{row([10] + [0] * 9)}\n")
    corpus = FerPlus(tmp_path)
    found = {e.id: e.labels["votes"].values[0, 0] for e in corpus.examples("train")}
    assert len(found) == len(VOTES) and found["fer00000010"] == 0, "the first row is kept"
    assert corpus.notes.counts["rows without a picture, which all voters called no face: left out"] == 1
    assert corpus.notes.counts["rows that repeat a picture: the first is kept"] == 1


def test_either_table_of_votes_can_be_read(tmp_path):
    votes = {
        t: [e.labels["votes"].values[0].tolist() for e in FerPlus(arrays(tmp_path / t), table=t).examples("dev")]
        for t in ("votes", "votes_csv")
    }
    assert votes["votes"] != votes["votes_csv"] and sorted(votes["votes"]) == sorted(votes["votes_csv"])
    with pytest.raises(ConfigError, match="unknown table 'votes_csv'"):
        FerPlus(folders(tmp_path / "folders"), table="votes_csv")


def test_the_list_is_found_above_the_folder_of_the_pictures_as_in_the_repository(tmp_path):
    listed(tmp_path / "FERPlus", pictures=False)
    folders(tmp_path / "FERPlus" / "data")
    corpus = FerPlus(tmp_path, table="votes_csv")
    assert len(list(corpus.examples("dev"))) == len(VOTES) and check(corpus).passed


def test_pictures_that_are_also_in_train_are_counted(tmp_path):
    corpus = FerPlus(arrays(tmp_path))
    assert len(list(corpus.examples("test"))) == len(VOTES)
    assert corpus.notes.counts["pictures whose pixels are in train as well: kept"] == 1


def test_a_missing_picture_is_a_fault_and_its_row_is_kept(tmp_path):
    (folders(tmp_path) / "FER2013Test" / "fer20000010.png").unlink()
    report = check(FerPlus(tmp_path))
    assert not report.passed and report.partitions["test"].pictures_missing == 1
    assert report.partitions["test"].steps == len(VOTES)
    corpus = FerPlus(tmp_path)
    with pytest.raises(DatasetError, match=r"fer20000010 is not in .*; make the pictures there"):
        corpus.picture(list(corpus.examples("test"))[-1])


def test_the_list_alone_has_labels_without_pictures(tmp_path):
    corpus = FerPlus(listed(tmp_path, pictures=False))
    assert [len(list(corpus.examples(p))) for p in corpus.partitions] == [6, 6, 6]
    assert all(e.pictures == (None,) for e in corpus.examples("test"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"a.png,{BOX},1,2,3", "line 1: 5 cells, expected 12"),
        (f"a.png,{BOX},{row(['many'] + [0] * 9)}", "line 1: 'many' is not a number"),
        (f"a.png,{BOX},{row([0.5] + [0] * 9)}", "'0.5' is not a whole number"),
        (f"a.png,{BOX},{row([-1] + [0] * 9)}", "votes must be >= 0, got -1"),
    ],
)
def test_damaged_votes_raise_an_error_with_the_line(tmp_path, line, message):
    text(tmp_path / "FER2013Test" / "label.csv", line)
    with pytest.raises(DatasetError, match=message):
        list(FerPlus(tmp_path).examples("test"))


def test_a_list_without_a_column_raises_an_error(tmp_path):
    text(tmp_path / "fer2013new.csv", HEADER.replace(",contempt", ""), "Training,a.png," + row([10] + [0] * 8))
    with pytest.raises(DatasetError, match="line 1: no column contempt"):
        list(FerPlus(tmp_path).examples("train"))


def test_an_unknown_usage_raises_an_error(tmp_path):
    text(tmp_path / "fer2013new.csv", HEADER, f"Holdout,a.png,{row([10] + [0] * 9)}")
    with pytest.raises(DatasetError, match="usage must be Training, PublicTest or PrivateTest, got 'Holdout'"):
        list(FerPlus(tmp_path).examples("test"))


@pytest.mark.parametrize(
    "changed",
    [{"votes": None}, {"offset": np.arange(3)}, {"votes_csv": np.zeros((2, 10))}, {"name": np.array([b"a.png"] * 6)}],
    ids=["no votes", "offsets", "another length", "names"],
)
def test_arrays_that_do_not_fit_together_raise_an_error(tmp_path, changed):
    with pytest.raises(DatasetError, match=r"train\.npz"):
        list(FerPlus(arrays(tmp_path, **changed)).examples("train"))


def test_a_file_that_was_cut_off_is_a_fault_of_the_check(tmp_path):
    path = arrays(tmp_path) / "test.npz"
    path.write_bytes(path.read_bytes()[:700])
    report = check(FerPlus(tmp_path))
    assert not report.complete and report.partitions["train"].examples == len(VOTES)


@pytest.mark.parametrize("option", [{"labels": "mode"}, {"table": "label"}])
def test_unknown_options_raise_a_config_error(tmp_path, option):
    with pytest.raises(ConfigError, match="unknown"):
        FerPlus(folders(tmp_path), **option)


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    picture(tmp_path / "FER2013Test" / "fer0000001.png", 0)
    with pytest.raises(DatasetError, match=r"looked for FER2013Test/label\.csv, fer2013new\.csv, train\.npz"):
        FerPlus(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="FER+ lies in ../shared/data/ferplus, which is not here")
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({}, (25045, 3191, 3137)),
        ({"table": "votes_csv"}, (25057, 3199, 3153)),
        ({"table": "votes_csv", "labels": "plurality"}, (28386, 3553, 3546)),
    ],
    ids=["majority", "majority of fer2013new.csv", "plurality"],
)
def test_the_real_corpus_has_as_many_labels_as_its_authors_count(options, counts):
    report = check(FerPlus(REAL, **options))
    assert tuple(counted.valid["expression"] for counted in report.partitions.values()) == counts
    assert [counted.examples for counted in report.partitions.values()] == [28558, 3579, 3573] and report.passed
