"""Applications that break PEP 3333, or break down: the client can tell, the log says why, the server goes on."""

from __future__ import annotations

import re

import pytest
from harness.client import Truncated
from harness.server import Server, eventually

pytestmark = [pytest.mark.unvalidated("breaks the rules on purpose"), pytest.mark.breaks]

KINDS = ["value", "exit", "exit0", "interrupt", "generator", "stop", "strange", "memory", "unprintable"]

BAD_HEADS = """
    status-int status-bytes status-empty status-word status-short status-low status-high status-joined
    status-crlf status-lf status-cr status-nul status-wide
    name-crlf name-space name-colon name-empty name-nul name-latin name-bytes
    value-crlf value-lf value-cr value-fold value-nul value-wide value-int value-none value-bytes
    pair-short pair-long list-none list-dict
    length-word length-negative length-plus length-hex length-empty length-list length-twice length-huge
""".split()

ODD_HEADS = """
    status-bare status-text name-text value-text
    list-tuple list-subclass list-items pair-list
    length-space length-again
""".split()


def expect_500(site: Server, path: str) -> None:
    """Send a request that must be answered with 500 and nothing of the application's; the log names it."""
    since = site.log_size()
    answer = site.request(path)
    assert answer.status == 500
    assert answer.get("X-Secret") is None
    assert answer.get("X-Injected") is None
    assert b"Traceback" not in answer.body
    assert b"mistake" not in answer.body
    assert site.request("/hello").body == b"hello\n"
    site.wait_log(re.escape(f"GET {path.partition('?')[0]}: "), since)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["fail_early", "fail_started", "fail_first"])
def test_failure_before_anything_was_sent_gives_500(site, where, kind):
    expect_500(site, f"/{where}?kind={kind}")


def test_the_traceback_is_in_the_log(site):
    since = site.log_size()
    assert site.request("/fail_started").status == 500
    site.wait_log(r"ValueError: the application's mistake", since)
    site.wait_log(r"in fail_started", since)


def test_500_keeps_the_connection_in_step(site):
    with site.connect() as connection:
        connection.send(site.encode("/fail_early", "POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n"))
        answer = connection.read_answer()
        assert answer.status == 500
        if (answer.get("Connection") or "").lower() != "close":
            connection.send(site.encode("/hello"))
            assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/fail_late?", "/fail_late?length=100&", "/fail_written?"])
def test_failure_after_the_head_cuts_the_connection(site, path, kind):
    with site.connect() as connection:
        connection.send(site.encode(f"{path}kind={kind}"))
        answer = connection.read_head()
        assert answer.status == 200
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.read_body(answer)
    assert site.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("path", ["/fail_late", "/fail_written", "/text_late", "/replaced_late"])
def test_failure_in_an_answer_that_ends_by_closing_is_a_reset(site, path):
    """Without a length a clean end would look like a whole answer."""
    with site.connect() as connection:
        connection.send(site.encode(path, version="1.0"))
        answer = connection.read_head()
        assert answer.framing == "close"
        with pytest.raises(ConnectionResetError):
            connection.read_body(answer)


def test_failure_after_a_whole_length_is_for_the_log_only(site):
    since = site.log_size()
    answer = site.request("/fail_late?length=4")
    assert answer.body == b"part"
    site.wait_log("the application's mistake", since)


@pytest.mark.parametrize("kind", KINDS)
def test_failure_in_close_is_for_the_log_only(site, kind):
    since = site.log_size()
    answer = site.request(f"/fail_close?kind={kind}")
    assert (answer.status, answer.body) == (200, b"whole")
    assert site.request("/hello").body == b"hello\n"
    if kind == "value":
        site.wait_log("the application's mistake", since)


def test_no_stack_left(site):
    since = site.log_size()
    expect_500(site, "/recurse")
    site.wait_log("RecursionError", since)


def test_exc_info_after_the_head_is_raised_again(site):
    since = site.log_size()
    with site.connect() as connection:
        connection.send(site.encode("/replaced_late"))
        answer = connection.read_head()
        assert answer.status == 200
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.read_body(answer)
    site.wait_log("start_response raised again: too late", since)


def test_start_response_twice_is_an_error(site):
    expect_500(site, "/started_twice")


def test_start_response_twice_caught(site):
    answer = site.request("/started_twice_caught")
    assert (answer.status, answer.get("X-First"), answer.body) == (200, "1", b"raised")


@pytest.mark.parametrize(
    "path", ["/never_started", "/never_started_empty", "/none", "/number", "/text", "/text_written"]
)
def test_what_is_no_answer_gives_500(site, path):
    expect_500(site, path)


def test_str_after_bytes_cuts(site):
    with site.connect() as connection:
        connection.send(site.encode("/text_late"))
        answer = connection.read_head()
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.read_body(answer)


@pytest.mark.parametrize("kind", BAD_HEADS)
@pytest.mark.parametrize("path", ["/bad_head", "/bad_head_late"])
def test_what_must_not_be_sent_is_an_error(site, path, kind):
    expect_500(site, f"{path}?kind={kind}")


@pytest.mark.parametrize("kind", ODD_HEADS)
def test_what_is_harmless_is_served(site, kind):
    with site.connect() as connection:
        connection.send(site.encode(f"/odd_head?kind={kind}"), site.encode("/hello"))
        answer = connection.read_answer()
        assert (answer.status, answer.reason, answer.body) == (200, "OK", b"abc")
        assert answer.all("X-A") == ["1"]
        assert answer.all("Content-Length") == ["3"]
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "X-Good"),
        ("connection", "close"),
        ("Keep-Alive", "timeout=1"),
        ("Proxy-Connection", "close"),
        ("TE", "trailers"),
        ("Trailer", "X-T"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "gzip, chunked"),
        ("Upgrade", "websocket"),
    ],
)
def test_hop_by_hop_fields_are_not_sent(site, name, value):
    """They are left out."""
    with site.connect() as connection:
        connection.send(site.encode(f"/hop_by_hop?name={name}&value={value.replace(' ', '+')}"))
        answer = connection.read_answer()
        assert (answer.status, answer.get("X-Good"), answer.body) == (200, "1", b"abc")
        assert value not in answer.all(name)
        connection.send(site.encode("/hello"))
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("line", ["100+Continue", "101+Switching+Protocols", "103+Early+Hints", "199+x"])
def test_an_interim_status_is_no_answer(site, line):
    answer = site.request(f"/interim_status?line={line}")
    assert answer.status == 500
    assert answer.interim == []


@pytest.mark.parametrize("line", ["204+No+Content", "304+Not+Modified"])
def test_a_body_where_none_may_be_is_dropped(site, line):
    with site.connect() as connection:
        connection.send(site.encode(f"/body_on?line={line}"), site.encode("/hello"))
        answer = connection.read_answer()
        assert answer.status == int(line[:3])
        assert answer.get("X-Good") == "1"
        assert answer.get("Transfer-Encoding") is None
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("how", ["within", "after", "write"])
def test_a_body_longer_than_content_length_is_cut_and_reported(site, how):
    since = site.log_size()
    with site.connect() as connection:
        connection.send(site.encode(f"/too_long?how={how}"), site.encode("/hello"))
        answer = connection.read_answer()
        assert (answer.status, answer.get("Content-Length"), answer.body) == (200, "5", b"01234")
        if (answer.get("Connection") or "").lower() != "close":
            assert connection.read_answer().body == b"hello\n"
    site.wait_log(r"(?i)content-length", since)


@pytest.mark.parametrize("how", ["list", "iterator"])
def test_a_body_shorter_than_content_length_closes(site, how):
    since = site.log_size()
    with site.connect() as connection:
        connection.send(site.encode(f"/too_short?how={how}"), site.encode("/hello"))
        answer = connection.read_head()
        if how == "iterator" or answer.status == 200:
            assert (answer.status, answer.get("Content-Length")) == (200, "10")
            with pytest.raises((Truncated, ConnectionResetError)):
                connection.read_body(answer)
        else:
            assert answer.status == 500
    site.wait_log(r"(?i)content-length", since)


def test_a_body_longer_than_content_length_on_head_is_no_matter(site):
    with site.connect() as connection:
        connection.send(site.encode("/too_short", "HEAD"), site.encode("/too_long", "HEAD"), site.encode("/hello"))
        assert connection.read_answer("HEAD").get("Content-Length") == "10"
        assert connection.read_answer("HEAD").get("Content-Length") == "5"
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("how", ["exit", "kill", "segv"])
def test_a_post_whose_worker_dies_gets_502_and_is_not_run_again(serve, signal, how):
    server = serve("fixtures.site:application", workers=2)
    answer = server.request(f"/die?how={how}&signal={signal.port}", "POST", body=b"x")
    assert answer.status == 502
    assert len(signal.words_of_all()) == 1
    assert server.request("/hello").body == b"hello\n"


def test_a_get_whose_worker_dies_is_run_once_more(serve, signal):
    server = serve("fixtures.site:application", workers=2)
    assert server.request(f"/die?how=exit&signal={signal.port}").status == 502
    server.wait_log("/die")
    words = signal.words_of_all()
    assert len(words) == len(set(words)) == 2, "the same request ends two workers, not more"
    assert server.request("/hello").body == b"hello\n"


def test_a_worker_that_dies_in_the_answer_cuts_it(serve, signal):
    server = serve("fixtures.site:application", workers=2)
    with server.connect() as connection:
        connection.send(server.encode(f"/die_late?signal={signal.port}"))
        answer = connection.read_head()
        assert connection.read_chunk() == b"part"
        signal.say()
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.read_body(answer)
    assert server.request("/hello").body == b"hello\n"


def test_a_dead_worker_is_replaced(serve):
    server = serve("fixtures.site:application", workers=2)
    for _ in range(2):
        assert server.request("/die?how=kill", "POST", body=b"").status == 502
    assert server.request("/hello").body == b"hello\n"
    assert eventually(lambda: len(server.family()) >= 3)
