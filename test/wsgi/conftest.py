"""Options and fixtures.

Servers are started once for each (application, settings, twin) and shared by the tests of a run.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal as signals
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.server import BINARY, KINDS, Server, Spec, launch, start
from harness.signals import Signal

TWINS = ("extension", "python")
_NUMBERS = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("wsgi")
    group.addoption(
        "--server", choices=sorted(KINDS), default="rickhouse", help="the server under test; peers fail some tests"
    )
    group.addoption("--twin", choices=TWINS, action="append", help="only this side of the worker (default: both)")
    group.addoption(
        "--python", default=os.environ.get("WSGI_PYTHON", sys.executable), help="the interpreter of the workers"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Stop at once where there is nothing to test; stop servers when the tests are told to end."""
    signals.signal(signals.SIGTERM, signals.default_int_handler)
    if config.getoption("--server") == "rickhouse" and not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} is not there: run make build first")


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested."""
    return f"{config.getoption('--server')}, workers run {config.getoption('--python')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test with both twins; the conforming applications behind the validator and on threads too."""
    if "twin" in metafunc.fixturenames:
        metafunc.parametrize("twin", metafunc.config.getoption("--twin") or TWINS, scope="session")
    if "site" in metafunc.fixturenames:
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        variants = ["plain"]
        if "unvalidated" not in marks:
            variants.append("validated")
        if not marks & {"breaks", "one_thread"}:  # with threads the log does not say when a test's lines are all there
            variants.append("threaded")
        metafunc.parametrize("site", variants, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this system cannot show."""
    if not Path("/proc/self/environ").exists():
        for item in items:
            if item.get_closest_marker("linux"):
                item.add_marker(pytest.mark.skip(reason="needs /proc"))


class Pool:
    """The running servers of one twin."""

    def __init__(self, twin: str, python: str, kind: str) -> None:
        self.twin, self.python, self.kind = twin, python, kind
        self._servers: dict[Spec, Server] = {}

    def spec(self, target: str, **options: object) -> Spec:
        return Spec(target, self.twin, **options)  # type: ignore[arg-type]

    def shared(self, target: str, **options: object) -> Server:
        """Return the server of that spec, started if it is not there; one that has died is started anew."""
        spec = self.spec(target, **options)
        server = self._servers.get(spec)
        if server is None or server.process.poll() is not None:
            server = self._servers[spec] = start(spec, self.python, self.kind)
        return server

    def own(self, target: str, **options: object) -> Server:
        """Start a server for one test, which stops it."""
        return start(self.spec(target, **options), self.python, self.kind)

    def launch(self, target: str, **options: object) -> Server:
        """Start a server without waiting: it is expected to fail."""
        return launch(self.spec(target, **options), self.python, self.kind)

    def close(self) -> None:
        """Stop every server and check how it ended."""
        for server in self._servers.values():
            server.terminate()
        faults = []
        for spec, server in self._servers.items():
            try:
                status = server.stop()
                if status != 0:
                    faults.append(f"{spec.target} exited with {status}:\n{server.log()[-3000:]}")
            except AssertionError as error:
                faults.append(str(error))
            finally:
                server.remove()
        assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def pool(twin: str, pytestconfig: pytest.Config) -> Iterator[Pool]:
    """The servers of this twin; at the end each must stop with exit status 0 and leave no process."""
    servers = Pool(twin, pytestconfig.getoption("--python"), pytestconfig.getoption("--server"))
    yield servers
    servers.close()


@pytest.fixture
def serve(pool: Pool) -> Callable[..., Server]:
    """serve(target, **options of Spec) gives a shared running server."""
    return pool.shared


@pytest.fixture
def serve_own(pool: Pool) -> Iterator[Callable[..., Server]]:
    """Likewise, a server for this test alone; stopped afterwards unless the test did, with exit status 0."""
    servers: list[Server] = []

    def make(target: str, **options: object) -> Server:
        servers.append(pool.own(target, **options))
        return servers[-1]

    yield make
    for server in servers:
        try:
            status = server.stop()
            assert status == 0, f"exit status {status}:\n{server.log()[-3000:]}"
        finally:
            server.remove()


@pytest.fixture
def launch_own(pool: Pool) -> Iterator[Callable[..., Server]]:
    """launch_own(target, **options) starts a server that is expected to end by itself."""
    servers: list[Server] = []

    def make(target: str, **options: object) -> Server:
        servers.append(pool.launch(target, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()
        server.remove()


@pytest.fixture
def site(request: pytest.FixtureRequest, serve: Callable[..., Server]) -> Iterator[Server]:
    """One worker that serves fixtures/site.py: plain, behind wsgiref's validator, or with four threads.

    A traceback that appears in the log during a test is an error unless the test is marked `breaks`.
    """
    name = "validated" if request.param == "validated" else "application"
    server = serve(f"fixtures.site:{name}", threads=4 if request.param == "threaded" else 1)
    before = server.log_size()
    yield server
    quiet(server, before, request.node.get_closest_marker("breaks") is not None)


@pytest.fixture
def streaming(request: pytest.FixtureRequest, serve: Callable[..., Server]) -> Iterator[Server]:
    """One worker that serves fixtures/site.py and reads content as it comes."""
    server = serve("fixtures.site:application", settings=(("RICKHOUSE_STREAM_INPUT", "true"),))
    before = server.log_size()
    yield server
    quiet(server, before, request.node.get_closest_marker("breaks") is not None)


def quiet(server: Server, since: int, may_fail: bool) -> None:
    """Wait until the worker has written all of the test's lines; look for a traceback among them."""
    word = f"end-of-test-{next(_NUMBERS)}"
    assert server.request(f"/log?word={word}").body == b"logged"
    server.wait_log(re.escape(word), since)
    text = server.log(since)
    assert may_fail or "Traceback (most recent call last)" not in text, f"the application failed:\n{text}"


@pytest.fixture
def signal() -> Iterator[Signal]:
    """A line to the application."""
    with Signal() as line:
        yield line


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for this test alone, removed at its end (large files are made in some)."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
