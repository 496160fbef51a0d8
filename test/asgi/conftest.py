"""Servers of the suite: the harness is that of the WSGI suite (test/wsgi/harness)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import harness.server
import pytest
from harness.server import Server, Spec, start

SUITE = Path(__file__).resolve().parent
TWINS = ("extension", "python")
if "RICKHOUSE_BINARY" in os.environ:
    harness.server.BINARY = Path(os.environ["RICKHOUSE_BINARY"])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("asgi")
    group.addoption("--twin", choices=TWINS, action="append", help="only this side of the worker (default: both)")
    group.addoption("--python", default=sys.executable, help="the interpreter of the workers")


def pytest_configure(config: pytest.Config) -> None:
    """Stop at once where there is nothing to test."""
    if not harness.server.BINARY.exists():
        raise pytest.UsageError(f"{harness.server.BINARY} is not there: run make build first")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test with both twins."""
    if "twin" in metafunc.fixturenames:
        metafunc.parametrize("twin", metafunc.config.getoption("--twin") or TWINS, scope="session")


@pytest.fixture
def serve_own(twin: str, pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    """Start a server for one test; it must end with status 0 and leave no process."""
    servers: list[Server] = []

    def make(target: str, **options: object) -> Server:
        spec = Spec(target, twin, directory=str(SUITE), **options)  # type: ignore[arg-type]
        servers.append(start(spec, pytestconfig.getoption("--python")))
        return servers[-1]

    yield make
    end(servers)


@pytest.fixture(scope="session")
def serve(twin: str, pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    """serve(target) gives a running server that tests share; it must end likewise."""
    servers: dict[str, Server] = {}

    def shared(target: str) -> Server:
        if target not in servers:
            spec = Spec(target, twin, directory=str(SUITE))
            servers[target] = start(spec, pytestconfig.getoption("--python"))
        return servers[target]

    yield shared
    end(list(servers.values()))


def end(servers: list[Server]) -> None:
    """Stop servers."""
    faults = []
    for server in servers:
        server.terminate()
    for server in servers:
        try:
            status = server.stop()
            if status != 0:
                faults.append(f"{server.spec.target} exited with {status}:\n{server.log()[-3000:]}")
        except AssertionError as error:
            faults.append(str(error))
        finally:
            server.remove()
    assert not faults, "\n".join(faults)


@pytest.fixture
def plain(serve: Callable[..., Server]) -> Iterator[Server]:
    """fixtures/plain.py; a traceback that appears during a test is an error."""
    server = serve("fixtures.plain:application")
    before = server.log_size()
    server.request("/log")
    yield server
    assert not re.search("Traceback", server.log(before)), server.log(before)
