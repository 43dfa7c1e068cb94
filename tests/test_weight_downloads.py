"""Weights at a URL: downloaded once, checked against their sha256, kept in a cache."""

from pathlib import Path

import pytest

from avfer.errors import OutputError, WeightsError
from avfer.models.card_files import BUILTIN
from avfer.models.weights import cache_folder, locate, sha256

BUILT_IN = BUILTIN / "aver_lite.safetensors"


def test_a_url_is_downloaded_once_checked_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "aver_lite.safetensors"
    source.write_bytes(BUILT_IN.read_bytes())
    url = f"{source.as_uri()}#sha256={sha256(source)}"
    path, _ = locate("aver_lite", url)
    source.unlink()
    assert locate("aver_lite", url)[0] == path and path.exists()


def test_a_url_may_have_a_query_and_a_digest_in_capitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "f.safetensors?download=1").write_bytes(BUILT_IN.read_bytes())  # a file URL has no query
    url = f"file://{tmp_path}/f.safetensors?download=1#sha256={sha256(BUILT_IN).upper()}"
    assert locate("aver_lite", url)[0].name == "f.safetensors"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///f.pth#sha256=../../f", "a URL needs its sha256 of 64 hexadecimal digits"),
        ("file:///f.pth#sha256=abc", "a URL needs its sha256 of 64 hexadecimal digits"),
        (f"http://127.0.0.1:1/my file.pth#sha256={'0' * 64}", "cannot be downloaded: URL can't contain control"),
        (f"file:///nowhere/f.pth#sha256={'0' * 64}", "cannot be downloaded: .*No such file"),
    ],
)
def test_a_wrong_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str) -> None:
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=message):
        locate("dan", url)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    with pytest.raises(OutputError, match=r"cannot be written: .*; set AVFER_CACHE to a folder that can be written"):
        locate("aver_lite", f"{BUILT_IN.as_uri()}#sha256={sha256(BUILT_IN)}")


def test_the_cache_may_lie_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVFER_CACHE", "~/models")
    assert cache_folder() == Path.home() / "models"


def test_a_user_without_a_home_folder_has_to_name_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("AVFER_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(WeightsError, match="set AVFER_CACHE to one"):
        cache_folder()


def test_a_web_page_in_place_of_a_download_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "f.pth"
    page.write_text("<html>Sign in to see this file</html>")
    with pytest.raises(WeightsError, match=r"f\.pth: the file is a web page, not weights; check the URL"):
        locate("dan", f"{page.as_uri()}#sha256={'0' * 64}")


def test_a_url_with_another_digest_is_refused_and_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=r"a file of [\d,]+ bytes was downloaded, whose sha256 is .*, not 000"):
        locate("aver_lite", f"{BUILT_IN.as_uri()}#sha256={'0' * 64}")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
