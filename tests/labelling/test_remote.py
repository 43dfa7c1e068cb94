"""Corpora in remote stores: a real S3 server and a slow web server, both on this machine."""

import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from avfer.errors import ConfigError, MissingExtra
from tests.labelling.corpora import failures, labels, run, write_corpus

BUCKET = "corpus"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start an S3 server with a bucket of a.mp4, deep/b.mp4, deep/bad.mp4, notes.txt; yield the folder of its files."""
    server_module = pytest.importorskip("moto.server", reason="the test extra 'moto' is not installed")
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket=BUCKET)
    folder = write_corpus(tmp_path_factory.mktemp("s3"), "a.mp4", "deep/b.mp4", "deep/bad.mp4")
    (folder / "notes.txt").write_text("a.mp4\n")
    for path in folder.rglob("*.*"):
        client.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
    yield str(folder)
    client.close()
    patch.undo()
    server.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("url", "found"),
    [
        (f"s3://{BUCKET}", {"a.mp4", "deep/b.mp4"}),
        (f"s3://{BUCKET}/deep/", {"b.mp4"}),
        (f"s3://{BUCKET}/deep/b*", {"b.mp4"}),
        (f"s3://{BUCKET}/a.mp4", {"a.mp4"}),
        (f"s3://{BUCKET}/notes.txt", {"a.mp4"}),
    ],
)
def test_clips_on_s3_give_the_same_values_as_those_in_a_folder(s3, in_process, steady, tmp_path, url, found):
    from avfer.labelling.label_corpus import label

    label(steady, url, tmp_path / "out", device="cpu")
    assert set(labels(tmp_path / "out")) == found
    label(steady, s3, tmp_path / "folder", device="cpu")
    folder, remote = labels(tmp_path / "folder"), labels(tmp_path / "out")
    known = [table.drop_columns("source") for table in folder.values()]
    assert all(any(table.drop_columns("source").equals(other) for other in known) for table in remote.values())
    assert all(set(table["source"].to_pylist()) == {name} for name, table in remote.items())
    plan = pa.parquet.read_table(tmp_path / "out/manifest.parquet").to_pylist()
    assert all(row["hash"].startswith("etag:") and row["size"] and row["modified"] for row in plan)
    assert not list(tmp_path.glob("out/.parts/**/*.*"))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_object_that_has_changed_is_labelled_again(s3, in_process, steady, tmp_path):
    import boto3

    from avfer.labelling.label_corpus import label

    urls = f"s3://{BUCKET}/deep/b.mp4", f"s3://{BUCKET}/a.mp4"
    for expected in (2, 0):
        in_process.given.clear()
        label(steady, urls, tmp_path / "out", device="cpu")
        assert len(in_process.given) == expected
    client = boto3.client("s3")
    client.put_object(Bucket=BUCKET, Key="deep/b.mp4", Body=(Path(s3) / "a.mp4").read_bytes())
    in_process.given.clear()
    label(steady, urls, tmp_path / "out", device="cpu")
    client.put_object(Bucket=BUCKET, Key="deep/b.mp4", Body=(Path(s3) / "deep/b.mp4").read_bytes())
    client.close()
    assert in_process.given == ["b.mp4"]


@pytest.mark.slow
def test_workers_fetch_from_s3_themselves(s3, steady, tmp_path):
    code, paths, _ = run(steady, "--input", f"s3://{BUCKET}", "--output", tmp_path / "out", "--workers", "2")
    assert code == 3 and len(paths) == 2
    assert "not a media file" in failures(tmp_path / "out")["deep/bad.mp4"]["reason"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("url", ["s3://nobucket/", f"s3://{BUCKET}/absent.mp4", f"s3://{BUCKET}/*.avi"])
def test_a_url_that_names_nothing_is_an_error_with_the_url(s3, in_process, steady, tmp_path, url):
    from avfer.labelling.label_corpus import label

    with pytest.raises(ConfigError, match=r"s3://"):
        label(steady, url, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "error", "way_out"),
    [
        ("s3://bucket/a.mp4", MissingExtra, r"pip install 'avfer\[s3\]'"),
        ("https://host/a.mp4", MissingExtra, "needs aiohttp: pip install aiohttp$"),
        ("hdfs://host/a.mp4", ConfigError, "hdfs:// needs a package that is not installed: Install "),
    ],
)
def test_a_missing_package_for_a_store_is_an_error_with_the_line_that_installs_it(monkeypatch, url, error, way_out):
    import fsspec

    from avfer.remote import info

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install it to access the store")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(error, match=way_out):
        info(url)


def test_an_address_that_does_not_answer_is_an_error_with_the_reason(monkeypatch):
    import fsspec

    from avfer.remote import info

    url = "https://host/a.mp4"

    def offline(*_: object, **__: object) -> None:
        raise FileNotFoundError(url) from OSError("Cannot connect to host")

    monkeypatch.setattr(fsspec.core, "url_to_fs", offline)
    with pytest.raises(ConfigError, match=r"a\.mp4 cannot be read: Cannot connect to host; check the address"):
        info(url)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Start a server that sends good.mp4 at once and stops in the middle of slow.mp4; yield its address."""
    data = (write_corpus(tmp_path / "web", "a.mp4") / "a.mp4").read_bytes()
    ended = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            if "slow" in self.path:
                ended.wait(60)
            self.wfile.write(data[len(data) // 2 :])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_store_that_hangs_costs_one_clip_only(web, steady, tmp_path):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    start = time.monotonic()
    code, _, _ = run(
        steady, "--input", f"{web}/slow.mp4", f"{web}/good.mp4", "--output", tmp_path / "out", "--max-seconds", "3"
    )
    assert code == 3 and set(labels(tmp_path / "out")) == {"good.mp4"}
    assert "took longer than 3 s" in failures(tmp_path / "out")["slow.mp4"]["reason"]
    assert time.monotonic() - start < 50
