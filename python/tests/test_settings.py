"""What HELLO says of the process itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from front import Front
from link_frames import frame

Start = Callable[..., Front]

MODULE = """
import json, os, sys

def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    start_response("200 OK", [])
    with open("/proc/self/cmdline", "rb") as cmdline, open("/proc/self/comm", "rb") as comm:
        title = cmdline.read().rstrip(b"\\0").decode(), comm.read().rstrip(b"\\n").decode()
    return [json.dumps({"path": sys.path, "umask": umask, "title": title, "argv": sys.argv}).encode()]
"""


@pytest.fixture
def ask(start: Start, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    (tmp_path / "shop.py").write_text(MODULE)

    def ask(options: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
        twin = settings.pop("twin")
        hello = {"target": "shop:application", "directory": str(tmp_path), "twin": twin, "worker": 1, "slots": 256}
        front = start(
            directory=tmp_path, hello=frame(1, payload=json.dumps(hello | settings).encode()), options=options
        )
        seen: dict[str, Any] = json.loads(front.ready().get("/").body)
        return seen

    return ask


def test_python_path(ask: Callable[..., dict[str, Any]], twin: str, tmp_path: Path) -> None:
    one, two, more = (tmp_path / name for name in ("one", "two", "more"))
    for folder in (one, two, more):
        folder.mkdir()
    (one / "more.pth").write_text(f"{more}\nimport sys, sysconfig\n")
    seen = ask(twin=twin, python_path=[str(one), str(two), str(tmp_path / "none")])["path"]
    assert seen[:5] == [str(tmp_path), str(one), str(more), str(two), str(tmp_path / "none")]
    assert len(seen) == len(set(seen))
    assert any(entry.startswith(sys.base_prefix) for entry in seen[5:])


def test_umask(ask: Callable[..., dict[str, Any]], twin: str) -> None:
    assert ask(twin=twin, umask="0027")["umask"] == 0o27


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows titles")
@pytest.mark.parametrize("title", ["(wsgi:shop)", "kaffee \u2615", "x" * 60])
def test_display_name(ask: Callable[..., dict[str, Any]], twin: str, title: str) -> None:
    seen = ask(twin=twin, display_name=title)
    shown = title.encode()
    assert seen["title"] == [title, shown[:15].decode("utf-8", "ignore")] or len(shown) > 15
    assert seen["title"][0] == title
    assert seen["argv"] == ["shop:application"]


def test_nothing_is_said(ask: Callable[..., dict[str, Any]], twin: str, tmp_path: Path) -> None:
    seen = ask(twin=twin)
    assert seen["path"][0] == str(tmp_path)
    assert "main.py" in seen["title"][0]
