"""Write the golden frames beside this file."""

import json
import struct
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

END, ABORT, DONE, INTERIM, LENGTH, FD = 0x01, 0x02, 0x04, 0x08, 0x10, 0x80
TEXT = WEBSOCKET = 0x20
TAKES_TRAILERS = 0x40


def short(text: str) -> bytes:
    octets = text.encode("latin-1")
    return struct.pack("<H", len(octets)) + octets


def fields(pairs: list[list[str]]) -> bytes:
    return struct.pack("<H", len(pairs)) + b"".join(short(n) + short(v) for n, v in pairs)


def request(m: dict[str, Any]) -> bytes:
    texts = ("method", "path", "raw_path", "query", "script_name", "server_name", "client_address", "tls")
    return (
        struct.pack(
            "<BBHHq",
            m["version"],
            {"http": 0, "https": 1}[m["scheme"]],
            m["server_port"],
            m["client_port"],
            m["content_length"],
        )
        + b"".join(short(m[t]) for t in texts)
        + fields(m["fields"])
        + bytes.fromhex(m["content"])
    )


def head(m: dict[str, Any]) -> bytes:
    return (
        struct.pack("<HQQ", m["status"], m["started"], m["content_length"] if m["content_length"] >= 0 else 0)
        + short(m["reason"])
        + fields(m["fields"])
        + bytes.fromhex(m["content"])
    )


def write(
    name: str,
    sender: str,
    kind: int,
    payload: bytes,
    meaning: Any,
    flags: int = 0,
    slot: int = 0,
    gen: int = 0,
    malformed: bool = False,
    length: int | None = None,
) -> None:
    frame = struct.pack("<IBBHI", len(payload) if length is None else length, kind, flags, slot, gen) + payload
    value = {
        "name": name,
        "sender": sender,
        "type": kind,
        "flags": flags,
        "slot": slot,
        "gen": gen,
        "fd": bool(flags & FD),
        "malformed": malformed,
        "meaning": meaning,
        "payload": payload.hex(),
        "frame": frame.hex(),
    }
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


def a_request(**changes: Any) -> dict[str, Any]:
    m: dict[str, Any] = {
        "version": 11,
        "scheme": "http",
        "server_port": 8000,
        "client_port": 51234,
        "content_length": 0,
        "method": "GET",
        "path": "/",
        "raw_path": "/",
        "query": "",
        "script_name": "",
        "server_name": "127.0.0.1",
        "client_address": "127.0.0.1",
        "tls": "",
        "fields": [["host", "localhost:8000"]],
        "content": "",
    }
    return m | changes


def a_head(**changes: Any) -> dict[str, Any]:
    m: dict[str, Any] = {
        "status": 200,
        "started": 123456789012345,
        "content_length": -1,
        "reason": "OK",
        "fields": [],
        "content": "",
    }
    return m | changes


def front() -> None:
    settings = {
        "target": "shop.wsgi:application",
        "directory": "/srv/shop",
        "interface": "auto",
        "threads": 1,
        "concurrency": 10000,
        "workers": 2,
        "worker": 1,
        "name": "web",
        "slots": 256,
        "stream_input": False,
        "twin": "auto",
        "server": "rickhouse/0.1",
    }
    write("hello", "front", 1, json.dumps(settings).encode(), settings)
    requests()
    write("data", "front", 3, b"abc", {"content": b"abc".hex()}, 0, 1, 3)
    write("data-end", "front", 3, b"", {"content": ""}, END, 1, 3)
    write("data-abort", "front", 3, b"", {"content": ""}, ABORT, 1, 3)
    write("window", "front", 4, struct.pack("<I", 65536), {"octets": 65536}, 0, 1, 3)
    write("cancel", "front", 5, b"", {}, 0, 1, 3)
    write("cancel-abort", "front", 5, b"", {}, ABORT, 1, 3)
    write("stop", "front", 6, b"", {})
    write("data-text", "front", 3, "é".encode(), {"content": "é".encode().hex()}, END | TEXT, 1, 3)
    closed = struct.pack("<H", 1001) + b"going away"
    write("closed", "front", 7, closed, {"code": 1001, "reason": "going away"}, 0, 1, 3)
    write("bad-closed", "front", 7, b"\3", {}, 0, 1, 3, malformed=True)
    whole = request(a_request())
    write("bad-request-cut", "front", 2, whole[:40], {}, END, 0, 1, malformed=True)
    write("bad-request-fields", "front", 2, whole + b"x", {}, 0, 0, 1, malformed=True)
    write("bad-window", "front", 4, b"\1\2\3", {}, 0, 1, 3, malformed=True)
    write("bad-type", "front", 99, b"", {}, malformed=True)
    write("bad-length", "front", 3, b"", {}, 0, 1, 3, malformed=True, length=(1 << 20) + 1)


def requests() -> None:
    m = a_request()
    write("request-get", "front", 2, request(m), m, END, 3, 7)
    m = a_request(
        method="POST",
        version=20,
        scheme="https",
        path="/caf\xc3\xa9",
        raw_path="/app/caf%C3%A9",
        query="a=1&b=%20",
        script_name="/app",
        server_name="::1",
        server_port=443,
        tls='{"tls_version": 772, "cipher_suite": 4865}',
        client_address="2001:db8::1",
        content_length=5,
        fields=[
            ["host", "example.org"],
            ["content-type", "text/plain"],
            ["content-length", "5"],
            ["cookie", "a=1"],
            ["cookie", "b=2"],
            ["accept", "x"],
            ["accept", "y"],
            ["x-latin", "\xe9"],
        ],
        content=b"hello".hex(),
    )
    write("request-post", "front", 2, request(m), m, END, 255, (1 << 30) - 1)
    m = a_request(method="PUT", content_length=70000, fields=[["host", "h"], ["content-length", "70000"]])
    write("request-file", "front", 2, request(m), m, END | FD, 1, 2)
    m = a_request(method="PUT", content_length=-1, version=10)
    write("request-stream", "front", 2, request(m), m, 0, 1, 3)
    m = a_request(fields=[["host", "h"], ["upgrade", "websocket"]])
    write("request-websocket", "front", 2, request(m), m, WEBSOCKET | TAKES_TRAILERS, 1, 4)
    m = a_request(
        method="OPTIONS",
        path="*",
        raw_path="*",
        server_name="/run/r.sock",
        server_port=0,
        client_port=0,
        client_address="",
        fields=[],
    )
    write("request-unix", "front", 2, request(m), m, END, 0, 1)


def worker() -> None:
    ready = {
        "python": "3.11.7",
        "implementation": "cpython",
        "twin": "extension",
        "recall": True,
        "pid": 7,
        "interface": "wsgi",
        "free_threaded": False,
    }
    write("ready", "worker", 16, json.dumps(ready).encode(), ready)
    failed = {"phase": "import", "error": "No module named 'shop'", "traceback": "Traceback …\nModuleNotFoundError"}
    write("failed", "worker", 17, json.dumps(failed).encode(), failed)
    m = a_head(content_length=5, fields=[["Content-Type", "text/plain"], ["X-Latin", "\xe9"]], content=b"hello".hex())
    write("head-whole", "worker", 18, head(m), m, END | DONE | LENGTH, 3, 7)
    m = a_head(status=404, reason="Not Found", fields=[["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]])
    write("head-open", "worker", 18, head(m), m, 0, 3, 7)
    m = a_head(status=204, reason="", fields=[])
    write("head-empty", "worker", 18, head(m), m, END, 3, 7)
    m = a_head(status=103, reason="Early Hints", fields=[["Link", "</a.css>; rel=preload"]])
    write("head-interim", "worker", 18, head(m), m, INTERIM, 3, 7)
    write("answer-data", "worker", 19, b"abc", {"content": b"abc".hex()}, 0, 3, 7)
    write("answer-data-end", "worker", 19, b"abc", {"content": b"abc".hex()}, END | DONE, 3, 7)
    write("file", "worker", 20, struct.pack("<QQ", 10, 1 << 33), {"offset": 10, "length": 1 << 33}, END | FD, 3, 7)
    write("abort", "worker", 21, "ValueError: é".encode(), {"why": "ValueError: é"}, 0, 3, 7)
    write("abort-done", "worker", 21, b"why", {"why": "why"}, DONE, 3, 7)
    write("done", "worker", 22, struct.pack("<I", 1500), {"microseconds": 1500}, 0, 3, 7)
    write("answer-window", "worker", 23, struct.pack("<I", 65536), {"octets": 65536}, 0, 3, 7)
    m = a_head(status=101, reason="", fields=[["Sec-WebSocket-Protocol", "chat"]])
    write("head-upgrade", "worker", 18, head(m), m, 0, 3, 7)
    write("answer-text", "worker", 19, "é".encode(), {"content": "é".encode().hex()}, END | TEXT, 3, 7)
    close = struct.pack("<H", 4000) + "tschüß".encode()
    write("answer-close", "worker", 24, close, {"code": 4000, "reason": "tschüß"}, DONE, 3, 7)
    m = {"fields": [["Grpc-Status", "0"]]}
    write("trailers", "worker", 25, fields(m["fields"]), m, 0, 3, 7)
    write("bad-close", "worker", 24, b"\1", {}, 0, 3, 7, malformed=True)
    write("bad-trailers", "worker", 25, fields([["a\n", "b"]]), {}, 0, 3, 7, malformed=True)
    m = a_head(fields=[["X", "a\r\nSet-Cookie: b"]])
    write("bad-head-split", "worker", 18, head(m), {}, 0, 3, 7, malformed=True)
    m = a_head(fields=[["a b", "c"]])
    write("bad-head-name", "worker", 18, head(m), {}, 0, 3, 7, malformed=True)
    m = a_head(status=99)
    write("bad-head-status", "worker", 18, head(m), {}, 0, 3, 7, malformed=True)
    write("bad-head-cut", "worker", 18, head(a_head())[:20], {}, END, 3, 7, malformed=True)
    write("bad-file", "worker", 20, b"\0" * 8, {}, END | FD, 3, 7, malformed=True)


if __name__ == "__main__":
    front()
    worker()
