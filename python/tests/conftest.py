from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

APPS = Path(__file__).resolve().parent / "apps"
sys.path[:0] = [str(APPS.parent.parent), str(APPS)]

from front import ROOT, Front  # noqa: E402 (it is found by the line above)

EXTENSION = ROOT / "dist" / f"_rickhouse{sysconfig.get_config_var('EXT_SUFFIX')}"


TWINS = ("python", "extension")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--twin", choices=TWINS, action="append", help="only this side of the worker (default: both)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "twin" in metafunc.fixturenames:
        twins = metafunc.config.getoption("--twin") or TWINS
        metafunc.parametrize("twin", twins, indirect=True, scope="session")


@pytest.fixture(scope="session")
def twin(request: pytest.FixtureRequest) -> str:
    if request.param == "extension" and not EXTENSION.exists():
        pytest.skip(f"the extension is not built for this interpreter: {EXTENSION.name}")
    return str(request.param)


@pytest.fixture
def start(twin: str) -> Iterator[Callable[..., Front]]:
    """Start workers that end with the test."""
    fronts: list[Front] = []

    def start(target: str = "wsgi:app", **rest: Any) -> Front:
        front = Front(target, **({"twin": twin, "directory": APPS} | rest))
        fronts.append(front)
        return front

    yield start
    for front in fronts:
        front.__exit__(None, None, None)


def shared(target: str, twin: str, **rest: Any) -> Iterator[Front]:
    with Front(target, twin=twin, directory=APPS, **rest) as front:
        yield front.ready()
        # Whatever the tests did, the worker still serves and stops as it should.
        assert not front.answers
        assert front.stop() == 0, front.err()


def noted(front: Front, last: str) -> list[str]:
    """What ASGI applications have noted (asgi_paths.history), once the last of it is there."""
    seen: list[str] = []

    def told() -> bool:
        seen.extend(filter(None, front.get("/log").body.decode().split(",")))
        return last in seen

    front.until_seen(told)
    told()
    return seen


@pytest.fixture(scope="module")
def wsgi(twin: str) -> Iterator[Front]:
    yield from shared("wsgi:app", twin)


@pytest.fixture(scope="module")
def wrong(twin: str) -> Iterator[Front]:
    yield from shared("wrong:app", twin)


@pytest.fixture(scope="module")
def asgi(twin: str) -> Iterator[Front]:
    yield from shared("asgi:app", twin)
