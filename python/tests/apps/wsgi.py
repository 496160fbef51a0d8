"""Applications that keep to PEP 3333, one for each first segment of the path. `validated` has a validator around."""
# ruff: noqa: SIM115 (whoever gets a file closes it)

import gc
import io
import os
import sys
import tempfile
import threading
import time
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]
closed = []


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0] or "hello"
    return globals()[name](environ, start_response)


validated = validator(app)


def arguments(environ):
    return dict(part.split("=", 1) for part in environ["QUERY_STRING"].split("&") if part)


def hello(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"Hello, world!"]


def environment(environ, start_response):
    shown = {k: v if isinstance(v, (str, bool, tuple)) else str(type(v)) for k, v in environ.items()}
    shown["type"] = str(type(environ))
    start_response("200 OK", TEXT)
    return [repr(shown).encode()]


def environment_size(environ, start_response):
    start_response("200 OK", TEXT)
    return [str(sys.getsizeof(environ)).encode()]


def pieces(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one ", b"", b"two ", b"three"]


def many(environ, start_response):
    """A tuple of so many octets."""
    size = int(arguments(environ)["size"])
    start_response("200 OK", TEXT)
    return (b"x" * (size // 2), b"y" * (size - size // 2))


def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def nothing(environ, start_response):
    """An iterator without a chunk."""
    start_response("200 OK", TEXT)
    return iter(())


def status(environ, start_response):
    start_response(arguments(environ)["line"].replace("+", " "), [])
    return []


def created(environ, start_response):
    start_response("201 Very Created", [*TEXT, ("Location", "/x"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"made"]


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return [b""]


def unchanged(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"'), ("Content-Length", "1000")])
    return []


def content_length(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "13")])
    return [b"Hello, world!"]


def head_alone(environ, start_response):
    """What a framework does for HEAD: the length without the content."""
    start_response("200 OK", [*TEXT, ("Content-Length", "1234")])
    return []


class Stream:
    """An iterable that notes what was done to it."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.given = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == len(self.chunks):
            closed.append("exhausted")
            raise StopIteration
        self.given += 1
        return self.chunks[self.given - 1]

    def close(self):
        closed.append("closed")


def stream(environ, start_response):
    start_response("200 OK", TEXT)
    return Stream([b"", b"first ", b"second ", b"", b"third"])


def stream_length(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "11")])
    return Stream([b"first ", b"third"])


def history(environ, start_response):
    """What was closed so far."""
    start_response("200 OK", TEXT)
    text = ",".join(closed).encode()
    closed.clear()
    return [text]


def late(environ, start_response):
    """start_response during the first iteration."""
    start_response("202 Accepted", TEXT)
    yield b""
    yield b"late"


def write(environ, start_response):
    out = start_response("200 OK", TEXT)
    out(b"")
    out(b"written ")
    out(b"twice ")
    return [b"and returned"]


def write_length(environ, start_response):
    out = start_response("200 OK", [*TEXT, ("Content-Length", "12")])
    out(b"written ")
    return [b"more"]


def replaced(environ, start_response):
    """An error before anything went out: exc_info replaces the headers."""
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("500 Replaced", [("Content-Type", "text/html")], sys.exc_info())
    return [b"replaced"]


def echo(environ, start_response):
    start_response("200 OK", TEXT)
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


def length(environ, start_response):
    """How much content came, read to its end in pieces of 8 KiB."""
    total = 0
    while piece := environ["wsgi.input"].read(8192):
        total += len(piece)
    start_response("200 OK", TEXT)
    return [str(total).encode()]


def reading(environ, start_response):
    """Read as the query says, such as read=5,readline=,readlines=10,next=, and show what came."""
    source = environ["wsgi.input"]
    shown = []
    for step in environ["QUERY_STRING"].split(","):
        name, _, argument = step.partition("=")
        if name == "next":
            shown.append(next(iter(source), None))
        elif name == "iterate":
            shown.append(list(source))
        else:
            shown.append(getattr(source, name)(*([int(argument)] if argument else [])))
    start_response("200 OK", TEXT)
    return [repr(shown).encode()]


def as_text(environ, start_response):
    """Lines of text, as a csv.reader wants them."""
    lines = list(io.TextIOWrapper(environ["wsgi.input"], "latin-1"))
    start_response("200 OK", TEXT)
    return [repr(lines).encode()]


def seeking(environ, start_response):
    """Read here and there."""
    source = environ["wsgi.input"]
    shown = [source.read(3), source.seekable(), source.tell(), source.seek(0), source.readline(), source.tell()]
    shown += [source.seek(-4, os.SEEK_END), source.read(), source.seek(7), next(source), source.read(2)]
    shown += [source.seek(-1, os.SEEK_CUR), source.readlines(), source.read1(5)]
    into = bytearray(4)
    shown += [source.seek(1), source.readinto(into), into, source.closed, source.close(), source.closed]
    try:
        source.read(1)
    except ValueError:
        shown.append("closed")
    start_response("200 OK", TEXT)
    return [repr(shown).encode()]


def echo_stream(environ, start_response):
    """Answer while content arrives."""
    start_response("200 OK", TEXT)
    return iter(lambda: environ["wsgi.input"].read(10), b"")


def ignore_content(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"not read"]


def errors(environ, start_response):
    environ["wsgi.errors"].write("a line on wsgi.errors: é\n")
    environ["wsgi.errors"].flush()
    environ["wsgi.errors"].writelines(["more\n"])
    print("a line on stdout")
    start_response("200 OK", TEXT)
    return [b"said"]


def file(environ, start_response):
    """Send a file: kind, start and length come by the query."""
    wanted = arguments(environ)
    file = FILES[wanted.get("kind", "plain")]()
    file.seek(int(wanted.get("start", 0)))
    headers = list(TEXT)
    if "length" in wanted:
        headers.append(("Content-Length", wanted["length"]))
    start_response("200 OK", headers)
    closing = file.close

    def close():
        closed.append("file closed")
        closing()

    if wanted.get("kind") != "fileio":
        file.close = close
    return environ["wsgi.file_wrapper"](file, 1000)


def plain():
    path = tempfile.mkstemp()[1]
    with open(path, "wb") as out:
        out.write(FILE)
    file = open(path, "rb")
    os.unlink(path)
    return file


def temporary():
    file = tempfile.NamedTemporaryFile()
    file.write(FILE)
    return file


def random_access():
    file = tempfile.TemporaryFile()
    file.write(FILE)  # what is written is still in the buffer
    return file


def unbuffered():
    with plain() as file:
        return io.FileIO(os.dup(file.fileno()))


def compressed():
    import gzip

    packed = tempfile.TemporaryFile()
    with gzip.GzipFile(fileobj=packed, mode="wb") as out:
        out.write(FILE)
    packed.seek(0)
    return gzip.GzipFile(fileobj=packed)


class Pretender(io.BytesIO):
    def fileno(self):
        return 1


class Subclass(io.FileIO):
    def read(self, size=-1):
        return super().read(size).upper()


def subclass():
    with plain() as file:
        return Subclass(os.dup(file.fileno()))


FILE = bytes(range(97, 123)) * 4000
FILES = {
    "plain": plain,
    "temporary": temporary,
    "random": random_access,
    "fileio": unbuffered,
    "gzip": compressed,
    "memory": lambda: io.BytesIO(FILE),
    "pretender": lambda: Pretender(FILE),
    "subclass": subclass,
    "proc": lambda: open("/proc/version", "rb"),
}


def wait_for_file(environ):
    """Wait until the test makes the file that the query names."""
    deadline = time.monotonic() + 120
    while not os.path.exists(environ["QUERY_STRING"]):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def wait(environ, start_response):
    print("begun", flush=True)
    wait_for_file(environ)
    start_response("200 OK", TEXT)
    return [b"waited"]


class Waiting:
    """What is complete at once and takes long to close."""

    def __init__(self, environ):
        self.environ = environ

    def __iter__(self):
        return iter([b"12345"])

    def close(self):
        wait_for_file(self.environ)


def wait_closing(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Waiting(environ)


barrier = threading.Barrier(4)


def meet(environ, start_response):
    """Go on when four are here."""
    barrier.wait(120)
    start_response("200 OK", TEXT)
    return [b"met"]


def pid(environ, start_response):
    start_response("200 OK", TEXT)
    return [str(os.getpid()).encode()]


def thread(environ, start_response):
    current = threading.current_thread()
    start_response("200 OK", TEXT)
    return [f"{current.name} {current is threading.main_thread()}".encode()]


def blocks(environ, start_response):
    """How many blocks of memory the interpreter has given out."""
    gc.collect()
    start_response("200 OK", TEXT)
    return [str(sys.getallocatedblocks()).encode()]
