"""The codec of the pure-Python side against the golden frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rickhouse_worker import fields, frames

GOLDEN = [json.loads(p.read_text()) for p in sorted((Path(__file__).parent.parent / "golden").glob("*.json"))]


def named(names: str) -> Any:
    return pytest.mark.parametrize("golden", [g for g in GOLDEN if names in g["name"]], ids=lambda g: g["name"])


def frame(golden: dict[str, Any]) -> frames.Frame:
    return frames.Frame(
        golden["type"],
        golden["flags"],
        golden["slot"],
        golden["gen"],
        bytes.fromhex(golden["payload"]),
        5 if golden["fd"] else -1,
    )


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: g["name"])
def test_header(golden: dict[str, Any]) -> None:
    octets = bytes.fromhex(golden["frame"])
    if golden["name"] == "bad-length":
        with pytest.raises(frames.MalformedError):
            frames.parse_header(octets)
        return
    length, *rest = frames.parse_header(octets)
    assert length == len(octets) - 12
    assert rest == [golden["type"], golden["flags"], golden["slot"], golden["gen"]]
    assert frames.pack(*rest, bytes.fromhex(golden["payload"])) == octets


@named("request")
def test_request(golden: dict[str, Any]) -> None:
    if golden["malformed"]:
        with pytest.raises(frames.MalformedError):
            frames.parse_request(frame(golden))
        return
    want = dict(golden["meaning"])
    want["secure"] = want.pop("scheme") == "https"
    want["fields"] = [tuple(f) for f in want["fields"]]
    want["content"] = bytes.fromhex(want["content"])
    assert frames.parse_request(frame(golden))._asdict() == want


@named("window")
def test_window(golden: dict[str, Any]) -> None:
    payload = bytes.fromhex(golden["payload"])
    if golden["malformed"]:
        with pytest.raises(frames.MalformedError):
            frames.parse_u32(payload)
        return
    assert frames.parse_u32(payload) == golden["meaning"]["octets"]
    assert frames.pack_u32(golden["meaning"]["octets"]) == payload


@named("head-")
def test_head(golden: dict[str, Any]) -> None:
    if golden["malformed"]:
        return  # the front's to refuse
    m = golden["meaning"]
    pairs = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in m["fields"]]
    payload = frames.pack_head(
        m["status"], m["started"], max(m["content_length"], 0), m["reason"].encode(), frames.pack_fields(pairs)
    )
    assert payload + bytes.fromhex(m["content"]) == bytes.fromhex(golden["payload"])
    packed, length = fields.pack_headers([tuple(f) for f in m["fields"]])
    assert (packed, length) == (frames.pack_fields(pairs), -1)


def test_file_and_done() -> None:
    golden = {g["name"]: g for g in GOLDEN}
    m = golden["file"]["meaning"]
    assert frames.pack_range(m["offset"], m["length"]).hex() == golden["file"]["payload"]
    assert frames.pack_u32(golden["done"]["meaning"]["microseconds"]).hex() == golden["done"]["payload"]
    assert frames.pack_u32(1 << 40) == b"\xff\xff\xff\xff"


@named("closed")
def test_closed(golden: dict[str, Any]) -> None:
    payload = bytes.fromhex(golden["payload"])
    if golden["malformed"]:
        with pytest.raises(frames.MalformedError):
            frames.parse_closed(payload)
        return
    assert frames.parse_closed(payload) == (golden["meaning"]["code"], golden["meaning"]["reason"])


def test_close_and_trailers() -> None:
    golden = {g["name"]: g for g in GOLDEN}
    m = golden["answer-close"]["meaning"]
    assert frames.pack_close(m["code"], m["reason"].encode()).hex() == golden["answer-close"]["payload"]
    m = golden["trailers"]["meaning"]
    pairs = [(n.encode(), v.encode()) for n, v in m["fields"]]
    assert frames.pack_fields(pairs).hex() == golden["trailers"]["payload"]


def test_the_golden_frames_are_what_the_script_writes(tmp_path: Path) -> None:
    import runpy

    script = (Path(__file__).parent.parent / "golden" / "make.py").read_text()
    (tmp_path / "make.py").write_text(script)
    runpy.run_path(str(tmp_path / "make.py"), run_name="__main__")
    assert sorted(json.loads(p.read_text())["name"] for p in tmp_path.glob("*.json")) == sorted(
        g["name"] for g in GOLDEN
    )
    for path in tmp_path.glob("*.json"):
        assert path.read_text() == (Path(__file__).parent.parent / "golden" / path.name).read_text()
