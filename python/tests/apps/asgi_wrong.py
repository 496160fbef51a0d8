"""Messages that an application must not send, by what is wrong with them."""

from __future__ import annotations

WRONG = {
    "no_start": [{"type": "http.response.body", "body": b"x"}],
    "two_starts": [{"type": "http.response.start", "status": 200}] * 2,
    "unknown": [{"type": "http.response.what"}],
    "other_kind": [{"type": "websocket.send", "text": "x"}],
    "no_type": [{"status": 200}],
    "no_dict": [["type", "http.response.start"]],
    "no_status": [{"type": "http.response.start"}],
    "text_status": [{"type": "http.response.start", "status": "200"}],
    "interim": [{"type": "http.response.start", "status": 103}],
    "large_status": [{"type": "http.response.start", "status": 1000}],
    "str_header": [{"type": "http.response.start", "status": 200, "headers": [("a", "b")]}],
    "header_dict": [{"type": "http.response.start", "status": 200, "headers": {b"a": b"b"}}],
    "header_triple": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b", b"c")]}],
    "header_split": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nSet-Cookie: c")]}],
    "header_nul": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"\0")]}],
    "header_name": [{"type": "http.response.start", "status": 200, "headers": [(b"a b", b"")]}],
    "no_name": [{"type": "http.response.start", "status": 200, "headers": [(b"", b"")]}],
    "bad_length": [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"-1")]}],
    "two_lengths": [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"1"), (b"content-length", b"2")],
        }
    ],
    "str_body": [{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": "text"}],
    "nothing": [],
    "start_alone": [{"type": "http.response.start", "status": 200}],
    "trailers_unannounced": [
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.trailers", "headers": []},
    ],
    "hint_too_late": [{"type": "http.response.start", "status": 200}, {"type": "http.response.early_hint"}],
    "relative_path": [
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.pathsend", "path": "a.txt"},
    ],
    "incomplete": [
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.body", "body": b"begun", "more_body": True},
    ],
    "after_complete": [
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.body", "body": b"whole"},
        {"type": "http.response.body", "body": b"more"},
    ],
}
