"""From the first line to READY or FAILED."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXTENSION
from front import ROOT, Front
from link_frames import frame

Start = Callable[..., Front]

MODULE = """
import sys, os
def application(environ, start_response):
    start_response("200 OK", [])
    return [NAME.encode()]
NAME = "application"
class holder:
    app = staticmethod(application)
def factory():
    return application
def configured(settings):
    return application
def failing():
    raise RuntimeError("the factory failed")
number = 5
async def asgi(scope, receive, send): ...
class Two:
    def __init__(self, scope): ...
    async def __call__(self, receive, send): ...
class Three:
    async def __call__(self, scope, receive, send): ...
    async def method(self, scope, receive, send): ...
three = Three()
method = three.method
import functools
partial = functools.partial(asgi)
class WSGIClass:
    def __init__(self, environ, start_response):
        start_response("200 OK", [])
    def __iter__(self):
        return iter([b"class"])
"""

INTERFACES = """
def sync_asgi(scope, receive, send):
    return asgi(scope, receive, send)
def decorator(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call
wrapped_asgi = decorator(asgi)
async def four(extra, scope, receive, send): ...
bound_asgi = functools.partial(four, 1)
def with_defaults(environ, start_response, extra=None): ...
def anything(*args): ...
def bound(extra, environ, start_response): ...
bound_wsgi = functools.partial(bound, 1)
wrapped_wsgi = functools.wraps(factory)(lambda *args: application(*args))
def claims(*args): ...
claims.__signature__ = __import__("inspect").signature(factory)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(MODULE)
    (tmp_path / "only_app.py").write_text(MODULE.replace("application", "app"))
    (tmp_path / "bare.py").write_text("def handler(environ, start_response): ...")
    (tmp_path / "broken.py").write_text("import shop\nimport no_such_module_at_all\n")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit('not today')\n")
    (tmp_path / "raises.py").write_text("def f():\n    raise ValueError('while importing')\nf()\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "wsgi.py").write_text(MODULE)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("shop:application", b"application"),
        ("shop", b"application"),
        ("only_app", b"app"),
        ("shop:factory()", b"application"),
        ("shop:holder.app", b"application"),
        ("package.wsgi:application", b"application"),
        ("shop:WSGIClass", b"class"),
    ],
)
def test_targets(start: Start, folder: Path, target: str, body: bytes) -> None:
    front = start(target, directory=folder).ready()
    assert front.info["interface"] == "wsgi"
    assert front.get("/").body == body


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("shopp", "there is no module 'shopp' in {folder}, nor elsewhere on sys.path of {python}; did you mean"
                  " 'shop'?"),
        ("shop:aplication", "module 'shop' has no attribute 'aplication'; did you mean 'application'?"),
        ("shop:holder.ap", "shop:holder has no attribute 'ap'; did you mean 'app'?"),
        ("package.wsgy", "there is no module 'package.wsgy' in {folder}/package, nor elsewhere on sys.path of {python};"
                         " did you mean 'wsgi'?"),
        ("pakage.wsgi", "there is no module 'pakage' in {folder}, nor elsewhere on sys.path of {python}; did you mean"
                        " 'package'?"),
        ("bare", "module 'bare' has neither 'application' nor 'app': name the attribute, as in bare:handler"),
        ("shop:number", "shop:number is not callable: it is an int, not an application"),
        ("shop:number()", "'shop:number()' calls something that is not callable: leave out the parentheses"),
        ("shop:factory", "shop:factory cannot be called as an application is, with two arguments (WSGI) or three"
                         " (ASGI); if it makes one, write 'shop:factory()'"),
        ("shop:configured", "shop:configured cannot be called as an application is, with two arguments (WSGI) or three"
                            " (ASGI)"),
        ("shop:configured()", "'shop:configured()' calls a function that needs arguments, (settings): write a module"
                              " that calls it, and name what it returned there"),
        ("shop:", "'shop:' is not a target: it must be like module:attribute"),
        ("shop.py", "there is no module 'shop.py' in {folder}/shop, nor elsewhere on sys.path of {python}"),
        ("", "'' is not a target: it must be like module:attribute"),
        ("a/b.py:app", "'a/b.py:app' is not a target: it must be like module:attribute, without .py"),
        ("shop:factory('x')", "\"factory('x')\" is not an attribute: it must be like name, name.name or factory()"),
        ("shop:Three", "shop:Three is a class of ASGI applications: the target has to be an instance of it"),
        ("shop:Two", "shop:Two is a class with an async __call__(receive, send), as ASGI 2 had it, which is not"
                     " served: asgiref.compatibility.double_to_single_callable makes an ASGI 3 application of it"),
    ],
)  # fmt: skip
def test_wrong_targets(start: Start, folder: Path, target: str, error: str) -> None:
    failure = start(target, directory=folder).failed()
    assert error.format(folder=folder, python=os.path.abspath(sys.executable)) in failure["error"]
    assert (failure["phase"], failure["traceback"]) == ("target", "")


@pytest.mark.parametrize(
    ("target", "error", "last"),
    [
        ("broken", "ModuleNotFoundError: No module named 'no_such_module_at_all', for {python}: --python names another"
                   " interpreter, or a virtual environment", "broken.py\", line 2"),
        ("syntax", "SyntaxError: ", "syntax.py\", line 1"),
        ("exits", "SystemExit: not today", "exits.py\", line 2"),
        ("raises", "ValueError: while importing", "raises.py\", line 2"),
        ("shop:failing()", "RuntimeError: the factory failed", "in failing"),
    ],
)  # fmt: skip
def test_failing_imports(start: Start, folder: Path, target: str, error: str, last: str) -> None:
    failure = start(target, directory=folder).failed()
    assert failure["phase"] == "import"
    assert failure["error"].startswith(error.format(python=os.path.abspath(sys.executable)))
    assert last in failure["traceback"]
    assert "rickhouse_worker" not in failure["traceback"]
    assert "importlib" not in failure["traceback"]


def test_a_failure_of_many_words(start: Start, tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("raise ValueError('\u20ac' * (1 << 20))")
    failure = start("long", directory=tmp_path).failed()
    assert failure["error"].startswith("ValueError: \u20ac\u20ac")
    assert 'long.py", line 1' in failure["traceback"]
    assert failure["traceback"].endswith("\u20ac\n")


@pytest.mark.parametrize(
    ("target", "interface"),
    [
        ("asgi", "asgi"),
        ("three", "asgi"),
        ("method", "asgi"),
        ("partial", "asgi"),
        ("sync_asgi", "asgi"),
        ("wrapped_asgi", "asgi"),
        ("bound_asgi", "asgi"),
        ("application", "wsgi"),
        ("with_defaults", "wsgi"),
        ("anything", "wsgi"),
        ("WSGIClass", "wsgi"),
        ("bound_wsgi", "wsgi"),
        ("wrapped_wsgi", "wsgi"),
        ("claims", "wsgi"),
    ],
)
def test_interfaces(start: Start, folder: Path, target: str, interface: str) -> None:
    (folder / "shop.py").write_text(MODULE + INTERFACES)
    assert start(f"shop:{target}", directory=folder).ready().info["interface"] == interface


def test_interface_setting(start: Start, folder: Path) -> None:
    assert start("shop:Two", directory=folder, interface="wsgi").ready().info["interface"] == "wsgi"
    front = start("shop:application", directory=folder, interface="asgi").ready()
    assert front.info["interface"] == "asgi"
    assert "served without lifespan, as the application raised TypeError" in front.err()


def test_ready(start: Start, twin: str) -> None:
    front = start().ready()
    assert front.info == {
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": "cpython",
        "twin": twin,
        "recall": twin == "extension",
        "pid": front.process.pid,
        "interface": "wsgi",
        "free_threaded": False,
        "static": [],
    }


SHOWING = """
import sys, os, json
seen = dict(
    argv=sys.argv, path0=sys.path[0], path=sys.path, cwd=os.getcwd(), main=sys.modules["__main__"].__file__,
    environ=[k for k in os.environ if k.startswith("RICKHOUSE_")], bytecode=sys.dont_write_bytecode,
    descriptors=sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    modules=sorted(sys.modules),
)
print("importing", end="\\n", flush=False)
def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(seen).encode()]
"""


@pytest.mark.parametrize("env", [{}, {"PYTHONSAFEPATH": "1"}])
def test_what_the_application_sees(start: Start, tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "showing.py").write_text(SHOWING)
    front = start("showing:app", directory=tmp_path, env=env | {"PYTHONDONTWRITEBYTECODE": ""}).ready()
    seen = json.loads(front.get("/").body)
    assert seen["argv"] == ["showing:app"]
    assert seen["path0"] == str(tmp_path)
    assert seen["path"].count(str(tmp_path)) == 1
    assert str(ROOT) not in seen["path"]
    assert seen["cwd"] == str(tmp_path)
    assert seen["environ"] == []
    assert seen["bytecode"] is False
    # Free numbers are low, the link's are not.
    assert not [fd for fd in seen["descriptors"] if 7 < fd < 900 and fd not in (198, 199)]
    assert "importing\n" in front.out(), "a line is out at once"
    assert (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("target", ["shop", "shop:asgi"])
def test_nothing_is_written_beside_the_server(start: Start, tmp_path: Path, target: str) -> None:
    import shutil

    copy = tmp_path / "unpacked"
    shutil.copytree(
        ROOT, copy, ignore=lambda folder, names: [n for n in names if n in ("tests", "golden", "__pycache__")]
    )
    before = sorted(p.relative_to(copy) for p in copy.rglob("*"))
    (tmp_path / "shop.py").write_text(MODULE)
    import front as module

    original = module.ROOT
    module.ROOT = copy
    try:
        front = start(target, directory=tmp_path, env={"PYTHONDONTWRITEBYTECODE": ""}).ready()
        front.get("/")
        assert front.stop() == 0
    finally:
        module.ROOT = original
    assert sorted(p.relative_to(copy) for p in copy.rglob("*")) == before


def test_the_extension_where_there_is_none(tmp_path: Path, folder: Path) -> None:
    import shutil

    import front as module

    copy = tmp_path / "unpacked"
    shutil.copytree(
        ROOT, copy, ignore=lambda folder, names: [n for n in names if n in ("tests", "golden", "dist", "ext")]
    )
    original = module.ROOT
    module.ROOT = copy
    try:
        with Front("shop", directory=folder, twin="extension") as front:
            failure = front.failed()
            assert failure["phase"] == "extension"
            assert "_rickhouse" in failure["error"]
        with Front("shop", directory=folder, twin="auto") as front:
            assert front.ready().info["twin"] == "python"
    finally:
        module.ROOT = original


@pytest.mark.skipif(not EXTENSION.exists(), reason="the extension is not built for this interpreter")
def test_auto_takes_the_extension(folder: Path) -> None:
    with Front("shop", directory=folder, twin="auto") as front:
        assert front.ready().info["twin"] == "extension"


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (frame(1, payload=b"{"), "a HELLO that cannot be understood"),
        (frame(1, payload=b"[]"), "a HELLO that cannot be understood"),
        (frame(1, payload=b"{}"), "a HELLO that cannot be understood"),
        (frame(1, payload=b"\xff\xfe"), "a HELLO that cannot be understood"),
        (frame(1, payload=b'{"target": "a", "threads": 0}'), "a HELLO that cannot be understood"),
        (frame(1, payload=b'{"target": "a", "threads": "x"}'), "a HELLO that cannot be understood"),
        (frame(2), "a frame of type 2 before HELLO"),
        (b"\xff" * 12, "a HELLO that cannot be understood"),
    ],
)
def test_wrong_hello(start: Start, octets: bytes, said: str) -> None:
    front = start(hello=octets)
    assert front.exit_status() == 1
    assert said in front.err()


def test_no_hello(start: Start) -> None:
    front = start(hello=b"\x10\0\0")
    front.hang_up()
    assert front.exit_status() == 1


def test_started_by_hand() -> None:
    done = subprocess.run([sys.executable, ROOT / "main.py"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "rickhouse serve" in done.stderr


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.9.18"])
def test_old_interpreters_say_so(folder: Path, version: str) -> None:
    old = Path.home() / ".pyenv" / "versions" / version / "bin" / "python"
    if not old.exists():
        pytest.skip(f"there is no Python {version} here")
    with Front("shop", directory=folder, python=str(old)) as front:
        failure = front.failed()
    assert f"Python {version[:3]} is too old: 3.10 is the oldest that is served" in failure["error"]
