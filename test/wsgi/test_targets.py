"""What TARGET may name, and what happens if it cannot be served."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from harness.server import STOP_TIMEOUT, Server, eventually

APPLICATION = """
def make(text):
    def serve(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]
    return serve
"""


@pytest.fixture
def modules(folder: Path) -> Path:
    """A folder of modules to serve."""

    def write(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))

    write("making.py", APPLICATION)
    write(
        "both.py",
        "from making import make\napplication, app, other = make('application'), make('app'), make('other')\n",
    )
    write("only_app.py", "from making import make\napp = make('app')\n")
    write(
        "objects.py",
        """
        from making import make

        def factory():
            return make("factory")

        class Class:
            def __init__(self, environ, start_response):
                self.start = start_response

            def __iter__(self):
                self.start("200 OK", [("Content-Type", "text/plain")])
                yield b"class"

        class Callable:
            def __call__(self, environ, start_response):
                return make("callable")(environ, start_response)

            def method(self, environ, start_response):
                return make("method")(environ, start_response)

        instance = Callable()
        """,
    )
    write("package/__init__.py", "")
    write("package/wsgi.py", "from making import make\napplication = make('package')\n")
    write("broken.py", "def helper():\n    raise RuntimeError('cannot start')\n\nhelper()\n")
    write("missing.py", "import a_module_that_is_not_there\n")
    write("syntax.py", "def application(:\n")
    write("exits.py", "import sys\nsys.exit('wanted out')\n")
    write("dies.py", "import os\nos._exit(9)\n")
    write("number.py", "application = 42\n")
    write("bad_factory.py", "def factory():\n    raise ValueError('no application today')\n")
    return folder


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("both", b"application"),
        ("both:app", b"app"),
        ("both:other", b"other"),
        ("only_app", b"app"),
        ("objects:factory()", b"factory"),
        ("objects:Class", b"class"),
        ("objects:instance", b"callable"),
        ("objects:instance.method", b"method"),
        ("package.wsgi:application", b"package"),
        ("package.wsgi", b"package"),
    ],
)
def test_targets(serve_own, modules, target, body):
    server = serve_own(target, directory=str(modules))
    assert server.request("/").body == body


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("broken", ["RuntimeError: cannot start", "in helper", "broken.py"]),
        ("missing", ["a_module_that_is_not_there", "missing.py"]),
        ("syntax", ["SyntaxError", "syntax.py"]),
        ("exits", ["wanted out"]),
        ("dies", ["9"]),
        ("number", ["number"]),
        ("not_there", ["not_there"]),
        ("both:nothing", ["nothing"]),
        ("objects:instance.nothing", ["nothing"]),
        ("bad_factory:factory()", ["ValueError: no application today"]),
    ],
)
def test_what_cannot_be_served_is_shown_and_ends_the_server(launch_own, modules, target, said):
    server: Server = launch_own(target, directory=str(modules), workers=2)
    assert server.process.wait(STOP_TIMEOUT) == 1, server.log()
    for words in said:
        assert words in server.log()
    assert eventually(lambda: not server.family()), "what was killed is not gone"


def test_the_traceback_begins_in_the_application(launch_own, modules):
    """Nobody wants to read about the server's own import machinery."""
    server: Server = launch_own("broken", directory=str(modules))
    assert server.process.wait(STOP_TIMEOUT) == 1
    assert "rickhouse_worker" not in server.log()
    assert "importlib" not in server.log()


@pytest.mark.parametrize("target", ["both.py", "both:app:x", "both:", ":app", "both:app("])
def test_what_is_no_target_is_a_usage_error(launch_own, modules, target):
    server: Server = launch_own(target, directory=str(modules))
    assert server.process.wait(STOP_TIMEOUT) == 2, server.log()
