"""What start_response is given: wrong, and odd but harmless."""

import sys

HEADS = {
    "status-int": (200, []),
    "status-bytes": (b"200 OK", []),
    "status-word": ("OK", []),
    "status-low": ("099 Low", []),
    "status-long": ("2000 Long", []),
    "status-joined": ("200OK", []),
    "status-empty": ("", []),
    "status-interim": ("100 Continue", []),
    "status-split": ("200 OK\r\nSet-Cookie: x", []),
    "status-newline": ("200 OK\n", []),
    "status-unicode": ("200 \u20ac", []),
    "headers-dict": ("200 OK", {"A": "b"}),
    "headers-none": ("200 OK", None),
    "headers-str": ("200 OK", "A: b"),
    "header-three": ("200 OK", [("A", "b", "c")]),
    "header-one": ("200 OK", [("A",)]),
    "header-str": ("200 OK", ["Ab"]),
    "name-bytes": ("200 OK", [(b"A", "b")]),
    "value-bytes": ("200 OK", [("A", b"b")]),
    "value-int": ("200 OK", [("A", 1)]),
    "value-none": ("200 OK", [("A", None)]),
    "name-empty": ("200 OK", [("", "b")]),
    "name-colon": ("200 OK", [("A:", "b")]),
    "name-space": ("200 OK", [("A b", "b")]),
    "name-latin": ("200 OK", [("\xe9", "b")]),
    "name-unicode": ("200 OK", [("\u20ac", "b")]),
    "name-newline": ("200 OK", [("A\n", "b")]),
    "value-newline": ("200 OK", [("A", "b\nSet-Cookie: x")]),
    "value-return": ("200 OK", [("A", "b\r")]),
    "value-nul": ("200 OK", [("A", "\0")]),
    "value-control": ("200 OK", [("A", "\x01")]),
    "value-delete": ("200 OK", [("A", "\x7f")]),
    "value-unicode": ("200 OK", [("A", "\u20ac")]),
    "value-long": ("200 OK", [("A", "x" * 65536)]),
    "headers-huge": ("200 OK", [("A", "x" * 60000)] * 10),
    "headers-many": ("200 OK", [("A", "")] * 65536),
    "length-word": ("200 OK", [("Content-Length", "five")]),
    "length-signed": ("200 OK", [("Content-Length", "+5")]),
    "length-negative": ("200 OK", [("Content-Length", "-5")]),
    "length-empty": ("200 OK", [("Content-Length", "")]),
    "length-twice": ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    "length-inner-space": ("200 OK", [("Content-Length", "5 5")]),
    "length-huge": ("200 OK", [("Content-Length", "9" * 30)]),
    "length-arabic": ("200 OK", [("Content-Length", "\u0665")]),
}


def head(environ, start_response):
    start_response(*HEADS[environ["QUERY_STRING"]])
    return [b"12345"]


class Text(str):
    """As SafeString of Django, with ideas of its own."""

    def __str__(self):
        return "other"

    def __len__(self):
        return 1

    def encode(self, *rest):
        return b"other\r\nSet-Cookie: x"

    lower = strip = encode


class Fields(list):
    pass


class Pair(tuple):
    pass


# Harmless: other servers serve these.
ODD_HEADS = {
    "status-bare": ("200", [("A", "b")]),
    "status-blank": ("200 ", [("A", "b")]),
    "status-high": ("799 ", [("A", "b")]),
    "status-subclass": (Text("200 "), [("A", "b")]),
    "name-subclass": ("200 ", [(Text("A"), "b")]),
    "value-subclass": ("200 ", [("A", Text("b"))]),
    "length-subclass": ("200 ", [("A", "b"), (Text("Content-Length"), Text("5"))]),
    "hop-subclass": ("200 ", [("A", "b"), (Text("Connection"), Text("close"))]),
    "headers-tuple": ("200 ", (("A", "b"),)),
    "headers-subclass": ("200 ", Fields([("A", "b")])),
    "headers-items": ("200 ", {"A": "b"}.items()),
    "header-list": ("200 ", [["A", "b"]]),
    "header-subclass": ("200 ", [Pair(("A", "b"))]),
    "length-space": ("200 ", [("A", "b"), ("Content-Length", " 5\t")]),
    "length-zero": ("200 ", [("A", "b"), ("Content-Length", "005")]),
    "length-twice": ("200 ", [("A", "b"), ("Content-Length", "5"), ("content-length", "5")]),
    "connection": ("200 ", [("Connection", "A, close"), ("A", "b")]),
    "transfer": ("200 ", [("transfer-encoding", "chunked"), ("A", "b")]),
    "keep-alive": ("200 ", [("Keep-Alive", "5"), ("A", "b")]),
    "upgrade": ("200 ", [("UPGRADE", "x"), ("A", "b")]),
    "te": ("200 ", [("TE", "x"), ("A", "b")]),
    "trailer": ("200 ", [("A", "b"), ("Trailer", "x")]),
    "proxy": ("200 ", [("A", "b"), ("Proxy-Connection", "x")]),
}


def odd_head(environ, start_response):
    start_response(*ODD_HEADS[environ["QUERY_STRING"]])
    return [b"12345"]


def generated_headers(environ, start_response):
    start_response("200 ", ((name, "b") for name in ("A", "Upgrade")))
    return [b"12345"]


def replaced_badly(environ, start_response):
    """What was to replace the answer is wrong: the first counts."""
    start_response("200 First", [("X-First", "1")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        try:
            start_response(*HEADS[environ["QUERY_STRING"]], sys.exc_info())
        except (ValueError, TypeError):
            return [b"12345"]
    return [b"not raised"]


def started_at_last(environ, start_response):
    """start_response that raised did not start anything."""
    try:
        start_response("200 First", [("X First", "1")])
    except ValueError:
        start_response("200 Second", [("X-Second", "2")])
    return [b"12345"]
