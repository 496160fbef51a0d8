"""wsgi.file_wrapper sends the file from where it stands, by descriptor where that is safe, and closes it."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from urllib.parse import urlencode

import pytest
from harness.server import eventually

KINDS = ["buffered", "raw", "random", "bytesio", "unseekable", "temporary", "named", "spooled", "rolled"]
SEEKABLE = [kind for kind in KINDS if kind != "unseekable"]
CONTENT = random.Random(1).randbytes(200_000)


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder with a file, a compressed one and an empty one."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "data").write_bytes(CONTENT)
    (folder / "letters").write_bytes(b"abcdefghijklmnopqrstuvwxyz" * 100)
    (folder / "empty").write_bytes(b"")
    (folder / "data.gz").write_bytes(gzip.compress(CONTENT[:50_000] + b"0" * 50_000))
    return folder


def path(behaviour: str, **parameters: object) -> str:
    return f"/{behaviour}?{urlencode(parameters)}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_sends_the_whole_file(site, files, kind, version):
    answer = site.request(path("wrapped", kind=kind, path=files / "data"), version=version)
    assert answer.status == 200
    assert answer.body == CONTENT


@pytest.mark.parametrize("kind", KINDS)
def test_sends_an_empty_file(site, files, kind):
    with site.connect() as connection:
        connection.send(site.encode(path("wrapped", kind=kind, path=files / "empty")), site.encode("/hello"))
        answer = connection.read_answer()
        assert (answer.status, answer.body) == (200, b"")
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1000, 65536, 1_000_000])
def test_block_sizes(site, files, kind, block):
    assert site.request(path("wrapped", kind=kind, path=files / "data", block=block)).body == CONTENT


@pytest.mark.parametrize("kind", SEEKABLE)
@pytest.mark.parametrize("offset", [1, 1000, 199_999, 200_000, 300_000])
def test_starts_where_the_file_stands(site, files, kind, offset):
    assert site.request(path("wrapped", kind=kind, path=files / "data", seek=offset)).body == CONTENT[offset:]


@pytest.mark.parametrize("kind", SEEKABLE)
def test_starts_after_what_was_read(site, files, kind):
    """A buffered file has read further than it says: tell() counts, not the descriptor's offset."""
    assert site.request(path("wrapped", kind=kind, path=files / "data", read=10)).body == CONTENT[10:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 1, 70_000, 200_000])
def test_sends_no_more_than_content_length(site, files, kind, length):
    with site.connect() as connection:
        connection.send(
            site.encode(path("wrapped", kind=kind, path=files / "data", length=length)), site.encode("/hello")
        )
        answer = connection.read_answer()
        assert answer.get("Content-Length") == str(length)
        assert answer.body == CONTENT[:length]
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.breaks
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_shorter_than_content_length_closes(site, files, kind):
    with site.connect() as connection:
        connection.send(site.encode(path("wrapped", kind=kind, path=files / "data", length=200_001)))
        answer = connection.read_head()
        assert (answer.status, answer.get("Content-Length")) == (200, "200001")
        got = b""
        try:
            while data := connection.buffer or connection.socket.recv(65536):
                connection.buffer = b""
                got += data
        except ConnectionResetError:
            pass
        assert CONTENT.startswith(got)
    assert site.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("kind", SEEKABLE)
def test_a_part_of_a_file(site, files, kind):
    answer = site.request(
        path("wrapped", kind=kind, path=files / "data", seek=5000, length=70_000, status="206 Partial Content")
    )
    assert answer.status == 206
    assert answer.body == CONTENT[5000:75_000]


@pytest.mark.parametrize("kind", ["buffered", "bytesio", "gzip"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_no_content_for_head_and_304(site, files, kind, method):
    source = files / ("data.gz" if kind == "gzip" else "data")
    parameters = {"length": 100} if method == "HEAD" else {"status": "304 Not Modified"}
    with site.connect() as connection:
        connection.send(
            site.encode(path("wrapped", kind=kind, path=source, **parameters), method), site.encode("/hello")
        )
        answer = connection.read_answer(method)
        assert answer.status == (200 if method == "HEAD" else 304)
        assert answer.get("Content-Length") == ("100" if method == "HEAD" else None)
        assert connection.read_answer().body == b"hello\n"
    assert eventually(lambda: json.loads(site.request(path("descriptors", path=source)).body) == 0)


@pytest.mark.parametrize("read", [0, 10])
def test_a_gzip_file_is_decoded(site, files, read):
    """It has a fileno, of the compressed file."""
    expected = (CONTENT[:50_000] + b"0" * 50_000)[read:]
    assert site.request(path("wrapped", kind="gzip", path=files / "data.gz", read=read)).body == expected


@pytest.mark.parametrize("kind", ["liar", "derived"])
def test_a_type_with_a_read_of_its_own_is_read(site, files, kind):
    assert site.request(path("wrapped", kind=kind, path=files / "letters")).body == b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 100


@pytest.mark.parametrize("kind", ["buffered", "subclass", "bytesio"])
def test_the_file_is_closed_once_sent(site, files, signal, kind):
    answer = site.request(path("wrapped_and_closed", kind=kind, path=files / "data", signal=signal.port))
    assert answer.body == CONTENT
    assert signal.wait() == "closed"


@pytest.mark.linux
@pytest.mark.parametrize("kind", ["buffered", "raw", "random", "liar", "derived"])
def test_no_descriptor_is_left_open(site, files, kind):
    source = files / "letters"
    for parameters in ({}, {"length": 10}, {"seek": 5}):
        if kind in ("liar", "derived") and parameters:
            continue
        assert site.request(path("wrapped", kind=kind, path=source, **parameters)).status == 200
    assert eventually(lambda: json.loads(site.request(path("descriptors", path=source)).body) == 0)


def test_the_wrapper_after_write(site, files):
    assert site.request(path("wrapped_after_write", path=files / "data")).body == b"written first, " + CONTENT


def test_the_wrapper_is_an_iterable_for_middleware(site, files):
    assert (
        site.request(path("wrapped_in_middleware", path=files / "letters")).body == b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 100
    )


def test_a_pipe_is_read(site):
    assert site.request("/wrapped_pipe").body == b"through a pipe"


@pytest.mark.breaks
@pytest.mark.unvalidated("str is an error")
def test_a_text_file_is_an_error(site, files):
    assert site.request(path("wrapped_text", path=files / "letters")).status == 500
    assert site.request("/hello").body == b"hello\n"


@pytest.mark.linux
@pytest.mark.unvalidated("the validator iterates, so that the worker reads")
@pytest.mark.parametrize("kind", ["buffered", "raw", "random"])
def test_the_worker_does_not_read_what_it_sends_by_descriptor(site, folder, kind):
    size = 20_000_000
    (folder / "large").write_bytes(b"0123456789" * (size // 10))
    before = json.loads(site.request("/read_counter").body)
    answer = site.request(path("wrapped", kind=kind, path=folder / "large"))
    after = json.loads(site.request("/read_counter").body)
    assert answer.body == b"0123456789" * (size // 10)
    assert after - before < size // 20


@pytest.mark.linux
@pytest.mark.unvalidated("the same with and without")
def test_the_counter_counts(site, folder):
    """What the test above relies on: a file that is read shows."""
    size = 5_000_000
    (folder / "large").write_bytes(b"a" * size)
    before = json.loads(site.request("/read_counter").body)
    assert site.request(path("wrapped", kind="derived", path=folder / "large")).body == b"A" * size
    assert json.loads(site.request("/read_counter").body) - before >= size
