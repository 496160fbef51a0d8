"""Answers of applications that keep to PEP 3333: framing, order, flushing, fields."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest


@pytest.mark.unvalidated("the validator hides what kind of iterable it is")
@pytest.mark.parametrize("path", ["/hello", "/one_tuple"])
def test_one_string_gets_a_content_length(site, path):
    answer = site.request(path)
    assert answer.status == 200
    assert answer.reason == "OK"
    assert answer.get("Content-Length") == "6"
    assert answer.body == b"hello\n"
    assert answer.get("Content-Type") == "text/plain"


def test_date_and_server_are_added_once(site):
    answer = site.request("/hello")
    assert (answer.get("Date") or "").endswith(" GMT")
    assert "ickhouse" in (answer.get("Server") or "")


def test_date_and_server_of_the_application_are_kept(site):
    answer = site.request("/own_date")
    assert answer.get("Date") == "Thu, 01 Jan 1970 00:00:01 GMT"
    assert answer.get("Server") == "mine"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/hello", b"hello\n"),
        ("/one_tuple", b"hello\n"),
        ("/listed", b"listed"),
        ("/several", b"one two three"),
        ("/generated", b"chunk 0\nchunk 1\nchunk 2\n"),
        ("/generated?n=0", b""),
        ("/sized?n=0", b""),
        ("/sized?n=7", b"x" * 7),
        ("/sized?n=100", b"x" * 100),
        ("/nothing", b""),
        ("/only_empty", b""),
        ("/written", b"written twice and returned"),
        ("/only_written", b"0123456789"),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_bodies_arrive_whole(site, path, body, version):
    answer = site.request(path, version=version)
    assert answer.status == 200
    assert answer.body == body
    assert answer.get("Content-Type") == "text/plain"


@pytest.mark.parametrize(
    "path", ["/hello", "/several", "/generated", "/sized?n=100", "/nothing", "/only_empty", "/written", "/only_written"]
)
def test_the_connection_is_kept(site, path):
    with site.connect() as connection:
        for _ in range(3):
            connection.send(site.encode(path))
            assert connection.read_answer().status == 200
        assert connection.buffer == b""


@pytest.mark.parametrize("path", ["/hello", "/sized?n=100", "/only_written", "/nothing"])
def test_http_1_0_keep_alive(site, request, path):
    with site.connect() as connection:
        for _ in range(3):
            connection.send(site.encode(path, fields={"Connection": "keep-alive"}, version="1.0"))
            answer = connection.read_answer()
            if answer.framing == "close":  # behind the validator nothing tells the length of a list
                assert "validated" in request.node.callspec.id
                return
            assert (answer.get("Connection") or "").lower() == "keep-alive"


def test_http_1_0_ends_what_has_no_length_by_closing(site):
    answer = site.request("/generated", version="1.0", fields={"Connection": "keep-alive"})
    assert answer.framing == "close"
    assert answer.get("Transfer-Encoding") is None
    assert answer.body == b"chunk 0\nchunk 1\nchunk 2\n"


def test_empty_strings_do_not_end_a_chunked_body(site):
    answer = site.request("/generated?n=20")
    assert answer.framing == "chunked"
    assert answer.body == b"".join(b"chunk %d\n" % number for number in range(20))


def test_start_response_at_the_first_iteration(site):
    answer = site.request("/late")
    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"late")


@pytest.mark.parametrize("path", ["/replaced", "/replaced_after_empty"])
def test_an_unsent_answer_is_replaced(site, path):
    answer = site.request(path)
    assert (answer.status, answer.reason, answer.body) == (503, "Sorry", b"replaced")
    assert answer.get("X-Second") == "2"
    assert answer.get("X-First") is None
    assert answer.get("Content-Length") in (None, "8")


def test_fields_keep_order_spelling_and_repetition(site):
    answer = site.request("/cookies")
    assert answer.all("set-cookie") == ["a=1; Path=/", "b=2", "c=3"]
    names = [name for name, _ in answer.fields if name.lower() in ("set-cookie", "x-mixed-case")]
    assert names == ["Set-Cookie", "X-Mixed-CASE", "Set-Cookie", "set-cookie"]


def test_fields_beyond_ascii(site):
    answer = site.request("/latin1")
    assert answer.reason == "Tr\u00e8s bien"
    assert answer.get("X-Latin") == "caf\u00e9 \u00ff"
    assert answer.get("X-Empty") == ""


@pytest.mark.parametrize("copy", ["", "1"])
def test_the_same_list_of_fields_each_time(site, copy):
    answers = [site.request(f"/constant?copy={copy}") for _ in range(3)]
    for answer in answers:
        assert [pair for pair in answer.fields if pair[0] != "Date"] == [
            pair for pair in answers[0].fields if pair[0] != "Date"
        ]
        assert answer.get("X-Constant") == "yes"
        assert answer.body == b"constant"


@pytest.mark.parametrize(("count", "size"), [(1, 30000), (80, 300), (500, 20)])
def test_large_and_many_fields(site, count, size):
    answer = site.request(f"/big_fields?n={count}&size={size}")
    assert answer.status == 200
    for number in range(count):
        assert answer.get(f"X-Field-{number}") == "v" * size


@pytest.mark.parametrize(
    "line",
    [
        "200 OK",
        "201 Created",
        "299 Odd",
        "404 Not Found",
        "418 I'm a teapot",
        "451 Unavailable For Legal Reasons",
        "500 x",
        "599 x",
        "600 Beyond",
        "999 Last",
    ],
)
def test_status_lines(site, line):
    answer = site.request("/status?line=" + quote(line))
    assert f"{answer.status} {answer.reason}" == line
    assert answer.body == b"body"


@pytest.mark.parametrize("line", ["200 ", "404 "])
def test_an_empty_reason(site, line):
    assert site.request("/status?line=" + quote(line)).status == int(line)


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_statuses_without_content(site, line):
    with site.connect() as connection:
        connection.send(site.encode(f"/status?line={quote(line)}&body=&f.X-A=1"), site.encode("/hello"))
        answer = connection.read_answer()
        assert f"{answer.status} {answer.reason}" == line
        assert answer.get("X-A") == "1"
        assert answer.get("Transfer-Encoding") is None
        assert answer.get("Content-Length") is None
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.unvalidated("the validator forbids Content-Type with 304")
def test_304_keeps_its_content_length(site):
    answer = site.request("/status?line=304+Not+Modified&body=&f.Content-Length=1234&f.Content-Type=a/b&f.ETag=x")
    assert answer.get("Content-Length") == "1234"
    assert answer.get("Content-Type") == "a/b"
    assert answer.body == b""


def test_head_keeps_the_content_length(site):
    with site.connect() as connection:
        connection.send(site.encode("/head?length=1234", "HEAD"), site.encode("/hello"))
        answer = connection.read_answer("HEAD")
        assert answer.get("Content-Length") == "1234"
        assert connection.read_answer().body == b"hello\n"


def test_head_with_a_body_sends_none(site):
    with site.connect() as connection:
        connection.send(site.encode("/head?length=100000&body=100000", "HEAD"), site.encode("/head?body=5", "HEAD"))
        connection.send(
            site.encode("/generated", "HEAD"), site.encode("/big?n=1000000", "HEAD"), site.encode("/written", "HEAD")
        )
        connection.send(site.encode("/hello"))
        assert connection.read_answer("HEAD").get("Content-Length") == "100000"
        assert connection.read_answer("HEAD").get("Content-Length") in (None, "5")
        for _ in range(3):
            assert connection.read_answer("HEAD").get("Content-Length") is None
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize(("path", "method"), [("/head", "HEAD"), ("/status?line=304+Not+Modified&body=", "GET")])
def test_no_length_is_made_up_where_get_is_unknown(site, path, method):
    """An empty list as the answer to HEAD does not mean that GET is empty (RFC 9110 section 8.6)."""
    assert site.request(path, method).get("Content-Length") is None


@pytest.mark.parametrize("path", ["/flush_yield", "/flush_yield?length=15", "/flush_write"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_each_chunk_is_flushed_before_the_next(site, signal, path, version):
    with site.connect() as connection:
        connection.send(site.encode(f"{path}{'&' if '?' in path else '?'}signal={signal.port}", version=version))
        answer = connection.read_head()
        for number in range(3):
            part = connection.read_chunk() if answer.framing == "chunked" else connection.read_exactly(5)
            assert part == b"part%d" % number
            signal.say()
        if answer.framing == "chunked":
            assert connection.read_chunk() == b""
        elif answer.framing == "close":
            assert connection.closed()


@pytest.mark.parametrize("size", [65535, 65536, 65537, 262144, 300001, 5_000_000])
@pytest.mark.parametrize("step", [1 << 20, 65536, 30000])
def test_large_bodies(site, size, step):
    answer = site.request(f"/big?n={size}&step={step}")
    expected = b"".join(bytes([offset // step % 251]) * min(step, size - offset) for offset in range(0, size, step))
    assert len(answer.body) == size
    assert answer.body == expected


def test_many_small_chunks(site):
    answer = site.request("/big?n=20000&step=1")
    assert answer.body == b"".join(bytes([offset % 251]) for offset in range(20000))


@pytest.mark.parametrize("size", [0, 1, 1000, 65535, 65536, 65537, 200_000, 3_000_000])
def test_echo(site, size):
    body = bytes(number * 7 % 251 for number in range(min(size, 5000))) * (size // 5000 + 1)
    answer = site.request("/echo", "POST", body=body[:size])
    assert answer.body == body[:size]
    assert answer.get("X-Length") == str(size)
    assert answer.get("X-Method") == "POST"


def test_one_connection_many_requests(site):
    with site.connect() as connection:
        for number in range(200):
            body = b"%d" % number
            connection.send(site.encode("/echo", "POST", body=body))
            assert connection.read_answer().body == body


def test_pipelined_requests_are_answered_in_order(site):
    with site.connect() as connection:
        connection.send(*(site.encode("/echo", "POST", body=b"number %d" % number) for number in range(50)))
        for number in range(50):
            assert connection.read_answer().body == b"number %d" % number
        connection.send(site.encode("/big?n=300000"), site.encode("/hello"), site.encode("/environ?last", close=True))
        assert len(connection.read_answer().body) == 300000
        assert connection.read_answer().body == b"hello\n"
        assert json.loads(connection.read_answer().body)["items"]["QUERY_STRING"][1] == "last"
        assert connection.closed()
