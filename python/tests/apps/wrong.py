"""Applications that do wrong things, one for each first segment of the path."""

import gc
import os
import sys
import time

from heads import HEADS, ODD_HEADS, generated_headers, head, odd_head, replaced_badly, started_at_last  # noqa: F401

TEXT = [("Content-Type", "text/plain")]
log = []


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    return globals()[name](environ, start_response)


def hello(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"Hello, world!"]


def history(environ, start_response):
    start_response("200 OK", TEXT)
    text = ",".join(log).encode()
    log.clear()
    return [text]


class Noting:
    """An iterable whose close is noted."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)

    def __iter__(self):
        return self.chunks

    def close(self):
        log.append("closed")


def raises(environ, start_response):
    raise ValueError("before start_response")


class Nasty(SyntaxError):
    """What traceback cannot show."""

    @property
    def msg(self):
        raise ValueError("no message")


class Noted(Exception):
    __notes__ = ("a note",)  # PEP 678


ERRORS = {
    "lines": lambda: ValueError("one\n  two\r\nthree"),
    "noted": lambda: Noted("the error"),
    "nasty": lambda: Nasty("the error"),
    "silent": lambda: KeyError(),
    "long": lambda: ValueError("\xe9" * 3000),
    "surrogate": lambda: FileNotFoundError(2, "there is no", "caf\udce9"),
}


def raises_kind(environ, start_response):
    raise ERRORS[environ["QUERY_STRING"]]()


def raises_started(environ, start_response):
    start_response("200 OK", TEXT)
    raise ValueError("after start_response")


def raises_streaming(environ, start_response):
    def chunks():
        yield b"partial"
        raise ValueError("after the head went out")

    start_response("200 OK", TEXT)
    return Noting(chunks())


def raises_first(environ, start_response):
    def chunks():
        raise ValueError("in the first iteration")
        yield b""

    start_response("200 OK", TEXT)
    return Noting(chunks())


def raises_close(environ, start_response):
    class Closing(Noting):
        def close(self):
            raise ValueError("in close")

    start_response("200 OK", TEXT)
    return Closing([b"all there"])


def close_property(environ, start_response):
    class Closing(Noting):
        @property
        def close(self):
            raise ValueError("in close")

    start_response("200 OK", TEXT)
    return Closing([b"all there"])


def close_none(environ, start_response):
    class Closing(Noting):
        close = None

    start_response("200 OK", TEXT)
    return Closing([b"all there"])


def never_starts(environ, start_response):
    return [b"no head"]


def never_starts_stream(environ, start_response):
    return Noting([b"no head"])


def never_starts_empty(environ, start_response):
    return Noting([])


def starts_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"twice"]


def too_late(environ, start_response):
    """exc_info after the head went out is raised again."""
    out = start_response("200 OK", TEXT)
    out(b"something")
    try:
        raise ValueError("reraised on purpose")
    except ValueError:
        start_response("500 Too Late", TEXT, sys.exc_info())
    return [b"never"]


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"0123456789"]


def too_long_stream(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Noting([b"012", b"345678", b"9"])


def too_long_write(environ, start_response):
    out = start_response("200 OK", [("Content-Length", "5")])
    out(b"0123456")
    out(b"789")
    return []


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "50")])
    return [b"0123456789"]


def too_short_stream(environ, start_response):
    start_response("200 OK", [("Content-Length", "50")])
    return Noting([b"01234", b"56789"])


def too_short_nothing(environ, start_response):
    start_response("200 OK", [("Content-Length", "50")])
    return Noting([])


def text_chunk(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def text_chunk_stream(environ, start_response):
    start_response("200 OK", TEXT)
    return Noting([b"first", "text"])


def text_write(environ, start_response):
    start_response("200 OK", TEXT)("text")
    return []


def bytearray_chunk(environ, start_response):
    start_response("200 OK", TEXT)
    return [bytearray(b"x")]


RESULTS = {"none": None, "str": "text", "bytes": b"octets", "int": 5, "function": len}


def result(environ, start_response):
    start_response("200 OK", TEXT)
    return RESULTS[environ["QUERY_STRING"]]


def no_arguments(environ, start_response):
    start_response()


def odd_arguments(environ, start_response):
    start_response("200 OK", TEXT, None, 5)


def keywords(environ, start_response):
    start_response(status="200 OK", headers=TEXT, exc_info=None)
    return [b"by keyword"]


def bad_keyword(environ, start_response):
    start_response("200 OK", TEXT, reason="x")


def exits(environ, start_response):
    sys.exit("leaving")


def exits_streaming(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    sys.exit(3)


def interrupts(environ, start_response):
    raise KeyboardInterrupt


def dies(environ, start_response):
    os._exit(9)


kept = []


def keeps(environ, start_response):
    """Keep what must not be used after the request, and use it in the next."""
    kept.append((start_response, start_response("200 OK", TEXT), environ["wsgi.input"]))
    return [b"kept"]


def misuses(environ, start_response):
    import threading

    late_start, late_write, late_input = kept.pop()
    shown = []
    for use in (
        lambda: late_start("200 OK", TEXT),
        lambda: late_write(b"to somebody else"),
        lambda: late_start("500 X", TEXT, (ValueError, ValueError("reraised"), None)),
        lambda: late_input.read(),
    ):
        try:
            shown.append(repr(use()))
        except Exception as error:
            shown.append(type(error).__name__)
    assert threading.active_count() >= 1
    start_response("200 OK", TEXT)
    return [",".join(shown).encode()]


def endless(environ, start_response):
    """Stream until somebody stops it."""

    def chunks():
        try:
            while True:
                yield b"x" * 1000
                time.sleep(0.001)
        except GeneratorExit:
            log.append("generator closed")
            raise

    start_response("200 OK", TEXT)
    return chunks()


def endless_write(environ, start_response):
    out = start_response("200 OK", TEXT)
    try:
        while True:
            out(b"x" * 1000)
            time.sleep(0.001)
    except OSError as error:
        log.append(f"{type(error).__name__} {isinstance(error, ConnectionResetError)}")
        raise


def endless_write_catching(environ, start_response):
    """Ignore what write says, once."""
    out = start_response("200 OK", TEXT)
    try:
        while True:
            out(b"x" * 1000)
            time.sleep(0.001)
    except OSError:
        log.append("caught")
    return [b"more"]


def reads_forever(environ, start_response):
    print("begun", flush=True)
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        log.append(type(error).__name__)
        raise
    start_response("200 OK", TEXT)
    return [b"read"]


def mutates(environ, start_response):
    """A list that changes while it is closed and headers that change after start_response."""
    headers = [("X-A", "1")]
    start_response("200 OK", headers)
    headers.append(("X-B", "2"))
    return [b"mutated"]


class Evil(list):
    """A list that is not one: it is iterated, as its type is not exactly list."""

    def __iter__(self):
        return iter([b"from the iterator"])


def subclass(environ, start_response):
    start_response("200 OK", TEXT)
    return Evil([b"from the list"])


def later(environ, start_response):
    """start_response after an empty chunk."""
    yield b""
    start_response("200 OK", TEXT)
    yield b"later"


class Chunk(bytes):
    pass


class Liar(bytes):
    """As its name says."""

    def __len__(self):
        return 1000

    def __bool__(self):
        return False

    def __getitem__(self, key):
        return b"other"


def bytes_liar(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])(Liar(b"t"))
    return iter([Liar(b""), Liar(b"rut"), Liar(b"h")])


def bytes_subclass(environ, start_response):
    start_response("200 OK", TEXT)
    return [Chunk(b"sub"), b"class"]


def sequence(environ, start_response):
    """The old protocol of iteration, by __getitem__."""

    class Sequence:
        def __getitem__(self, i):
            return [b"a", b"b", b"c"][i]

    start_response("200 OK", TEXT)
    return Sequence()


def blocks(environ, start_response):
    """How many blocks of memory the interpreter has given out."""
    gc.collect()
    start_response("200 OK", TEXT)
    return [str(sys.getallocatedblocks()).encode()]
