"""The worker as a process: logs, threads, children, descriptors, its start and its end."""

from __future__ import annotations

import json
import os
import re
import signal as signals
import sys

import pytest
from harness.server import STOP_TIMEOUT, eventually


def marked(word: str) -> str:
    """Return a pattern for a line of the log that carries the worker's mark and then the word."""
    return rf"(?m)^.*\[[^\]\n]*/1\][^\n]*{re.escape(word)}"


@pytest.mark.parametrize(
    "how", ["errors", "parts", "unflushed", "print", "print-errors", "stderr", "descriptor", "child"]
)
@pytest.mark.unvalidated("print with file= and unflushed writes are the validator's business")
def test_what_is_printed_is_in_the_log_marked_with_the_worker(site, how):
    since = site.log_size()
    assert site.request(f"/log?how={how}&word=printed-by-{how}").body == b"logged"
    match = site.wait_log(marked(f"printed-by-{how}") + r"[^\n]*\n", since)
    assert match[0].count("printed-by") == 1


def test_wsgi_errors_has_what_files_have(site):
    since = site.log_size()
    assert site.request("/log?how=writelines&word=written").body == b"logged"
    site.wait_log(marked("written one"), since)
    site.wait_log(marked("written two"), since)


def test_logs_escape_control_characters(site):
    since = site.log_size()
    assert site.request("/log?how=control&word=controlled").body == b"logged"
    site.wait_log(marked("controlled"), since)
    text = site.log(since)
    assert "return" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("size", [5_000, 100_000])
def test_long_lines_are_not_lost(site, size):
    since = site.log_size()
    assert site.request(f"/log?how=long&word=long{size}&n={size}").body == b"logged"
    site.wait_log(f"end-of-long{size}", since)
    assert site.log(since).count("-") >= size


@pytest.mark.unvalidated("writes to the descriptor")
def test_odd_octets_in_the_log_do_no_harm(site):
    since = site.log_size()
    assert site.request("/log?how=unicode&word=wide").body == b"logged"
    assert site.request("/log?how=binary&word=binary").body == b"logged"
    assert site.request("/log?how=open&word=without-an-end").body == b"logged"
    site.wait_log(marked("wide \u20ac \u732b"), since)
    site.wait_log(marked("binary"), since)


def test_a_line_without_an_end_is_in_the_log_when_the_worker_ends(serve_own):
    server = serve_own("fixtures.site:application")
    assert server.request("/log?how=open&word=without-an-end").body == b"logged"
    assert server.stop() == 0
    assert "without-an-end" in server.log()


@pytest.mark.linux
@pytest.mark.one_thread("looks at the main thread")
def test_what_the_application_sees_of_its_process(site):
    got = json.loads(site.request("/process").body)
    assert got["directory"] == site.spec.directory
    assert got["path"][0] == site.spec.directory
    assert not [entry for entry in got["path"] if "rickhouse" in entry.lower() and entry != got["path"][0]]
    assert got["variables"] == []
    assert got["stdin"] == "/dev/null"
    assert got["main"] == "__main__"
    assert got["main_thread"] is True
    assert got["group"] != os.getpgid(site.process.pid)


def test_runs_the_interpreter_asked_for(site, pytestconfig):
    got = json.loads(site.request("/process").body)
    assert os.path.realpath(got["executable"]) == os.path.realpath(pytestconfig.getoption("--python"))
    if pytestconfig.getoption("--python") == sys.executable:
        assert got["version"] == sys.version.split()[0]


def test_the_twin_asked_for_serves(site, twin):
    site.wait_log(rf"twin\W+{twin}|{twin} twin|\({twin}\)")


@pytest.mark.linux
@pytest.mark.one_thread("a process with threads should not fork")
@pytest.mark.unvalidated("forks")
def test_a_child_that_comes_back_into_the_server_ends_there(site):
    with site.connect() as connection:
        for _ in range(3):
            connection.send(site.encode("/fork_and_return"))
            answer = connection.read_answer()
            assert (answer.status, answer.body[:16]) == (200, b"from the parent,")
        connection.send(site.encode("/hello"))
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.linux
@pytest.mark.one_thread("a process with threads should not fork")
@pytest.mark.unvalidated("forks")
def test_a_child_that_lives_on_does_not_hold_the_request(site, signal):
    assert site.request(f"/fork_and_stay?signal={signal.port}").body == b"parent"
    assert signal.wait() == "child"
    assert site.request("/hello").body == b"hello\n"
    signal.say()


@pytest.mark.linux
def test_children_get_no_descriptor_of_the_server(site):
    opened = json.loads(site.request("/run_child").body)
    assert any(line.startswith("0 /dev/null") for line in opened), opened
    assert not [line for line in opened if "socket:" in line or "memfd:" in line], opened


@pytest.mark.linux
def test_an_application_that_closes_all_low_descriptors(serve_own):
    """The link is not among them, and files opened in their place are not written to as if they were."""
    server = serve_own("fixtures.site:application")
    assert server.request("/close_all").status == 200
    for _ in range(5):
        assert server.request("/hello").body == b"hello\n"


def test_sigterm_finishes_what_runs(serve_own, signal):
    server = serve_own("fixtures.site:application")
    with server.connect() as connection:
        connection.send(server.encode(f"/wait?signal={signal.port}"))
        assert signal.wait() == "called"
        os.kill(server.process.pid, signals.SIGTERM)
        assert eventually(lambda: refused(server))
        signal.say("finished")
        answer = connection.read_answer()
        assert answer.body == b"finished"
        assert connection.closed()
    assert server.process.wait(STOP_TIMEOUT) == 0


def refused(server) -> bool:
    """Report whether the server takes no more connections."""
    try:
        server.connect(1.0).close()
    except OSError:
        return True
    return False


def test_sigint_stops_as_well(serve_own):
    server = serve_own("fixtures.site:application")
    assert server.request("/hello").status == 200
    os.kill(server.process.pid, signals.SIGINT)
    assert server.process.wait(STOP_TIMEOUT) == 0


@pytest.mark.linux
def test_workers_do_not_outlive_a_killed_front(pool):
    server = pool.own("fixtures.site:application", workers=2)
    try:
        assert eventually(lambda: len(server.family()) >= 3), server.family()
        os.kill(server.process.pid, signals.SIGKILL)
        server.process.wait(STOP_TIMEOUT)
        assert eventually(lambda: not server.family()), server.family()
    finally:
        server.kill()
        server.remove()


ATEXIT = """
import atexit, os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
atexit.register(lambda: open("ended", "a").write("ended\\n"))
"""


def test_atexit_runs_when_the_server_stops(serve_own, folder):
    (folder / "app.py").write_text(ATEXIT)
    server = serve_own("app", directory=str(folder), workers=2)
    assert server.request("/").body == b"ok"
    server.wait_log(r"/1\] worker ready")
    server.wait_log(r"/2\] worker ready")  # one that is still importing has nothing to end
    assert server.stop() == 0
    assert (folder / "ended").read_text() == "ended\n" * 2
