"""Two applications from PyPI that nobody here wrote: pypiserver and httpbin."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import subprocess
import zipfile
import zlib
from pathlib import Path

import httpx
import pytest
import requests


def make_wheel(folder: Path, name: str, version: str, size: int = 0) -> Path:
    """Write a wheel by hand: a zip file with a module and three files about it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": b"answer = 42\n",
        f"{name}.bin": os.urandom(size),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def pip(python: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pip with no configuration of the machine or the user, and no other way out than the index it is given."""
    kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
    variables = {key: os.environ[key] for key in kept if key in os.environ}
    variables |= {
        "PIP_CONFIG_FILE": os.devnull,
        "HOME": str(home),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    variables |= {"no_proxy": "127.0.0.1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [python, "-m", "pip", *arguments], env=variables, cwd=home, capture_output=True, text=True, check=False
    )


@pytest.fixture
def index(serve_own, folder):
    """pypiserver on an empty folder."""
    (folder / "packages").mkdir()
    return serve_own("fixtures.real.pypi", environment=(("PACKAGES", str(folder / "packages")),))


def test_pypiserver(index, folder, pytestconfig):
    """Upload a wheel as twine does, and let pip download and install it."""
    python = pytestconfig.getoption("--python")
    wheel = make_wheel(folder, "rickhouse_suite_example", "1.2.3", 300_000)
    fields = {":action": "file_upload", "protocol_version": "1", "name": "rickhouse_suite_example", "version": "1.2.3"}
    with open(wheel, "rb") as file:
        answer = requests.post(index.url + "/", data=fields, files={"content": (wheel.name, file)}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert (folder / "packages" / wheel.name).read_bytes() == wheel.read_bytes()
    (folder / "home").mkdir()
    done = pip(
        python,
        folder / "home",
        "download",
        "--index-url",
        index.url + "/simple/",
        "--dest",
        "got",
        "rickhouse-suite-example==1.2.3",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "home" / "got" / wheel.name).read_bytes() == wheel.read_bytes()
    listed = json.loads(requests.get(index.url + "/rickhouse-suite-example/json", timeout=60).text)
    assert listed["info"]["version"] == "1.2.3"
    missing = pip(
        python, folder / "home", "download", "--index-url", index.url + "/simple/", "--dest", "got", "not-there-at-all"
    )
    assert missing.returncode != 0


@pytest.fixture
def httpbin(serve):
    """A client of httpbin, on two workers."""
    server = serve("httpbin:app", workers=2)
    since = server.log_size()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
    assert "Traceback" not in server.log(since)


def test_get(httpbin):
    got = httpbin.get("/get", params={"a": ["1", "2"], "b": "\u00fc"}, headers={"X-Suite": "yes"}).json()
    assert got["args"] == {"a": ["1", "2"], "b": "\u00fc"}
    assert got["headers"]["X-Suite"] == "yes"
    assert got["origin"] == "127.0.0.1"
    assert got["url"].startswith(str(httpbin.base_url))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_content(httpbin, method):
    got = httpbin.request(method, f"/{method.lower()}", data={"a": "1", "b": "\u00fc"}).json()
    assert got["form"] == {"a": "1", "b": "\u00fc"}
    got = httpbin.request(method, f"/{method.lower()}", json={"a": [1, 2, None]}).json()
    assert got["json"] == {"a": [1, 2, None]}
    got = httpbin.request(method, f"/{method.lower()}", files={"f": ("n", b"file content")}, data={"x": "y"}).json()
    assert got["files"] == {"f": "file content"}
    assert got["form"] == {"x": "y"}


def test_chunked_content(httpbin):
    """httpbin refuses chunked content under most servers; here it has a length, or an end."""
    got = httpbin.post("/post", content=iter([b"one ", b"two ", b"three"]))
    assert got.status_code == 200, got.text
    assert got.json()["data"] == "one two three"


def test_anything(httpbin):
    got = httpbin.put("/anything/x%2Fy?q=1", content=b"body").json()
    assert (got["method"], got["data"], got["args"]) == ("PUT", "body", {"q": "1"})


@pytest.mark.parametrize(
    "status", [200, 201, 204, 205, 301, 304, 400, 401, 403, 404, 405, 409, 410, 418, 429, 500, 502, 503, 504]
)
def test_status(httpbin, status):
    assert httpbin.get(f"/status/{status}").status_code == status
    if status not in (301,):
        assert httpbin.head(f"/status/{status}").status_code == status
    assert httpbin.get("/get").status_code == 200


def test_headers_and_agent(httpbin):
    assert httpbin.get("/headers", headers={"Accept-Language": "mt"}).json()["headers"]["Accept-Language"] == "mt"
    assert httpbin.get("/user-agent", headers={"User-Agent": "suite/1"}).json() == {"user-agent": "suite/1"}
    assert httpbin.get("/ip").json() == {"origin": "127.0.0.1"}
    got = httpbin.get("/response-headers", params={"X-A": ["1", "2"], "ETag": "e"})
    assert got.headers.get_list("X-A") == ["1", "2"]
    assert got.headers["ETag"] == "e"


@pytest.mark.parametrize("path", ["/redirect/3", "/relative-redirect/3", "/absolute-redirect/3"])
def test_redirects(httpbin, path):
    answer = httpbin.get(path, follow_redirects=True)
    assert answer.status_code == 200
    assert len(answer.history) == 3
    assert httpbin.get("/redirect-to", params={"url": "/get", "status_code": "307"}).headers["Location"] == "/get"


def test_streams(httpbin):
    with httpbin.stream("GET", "/stream/20") as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert [line["id"] for line in lines] == list(range(20))
    answer = httpbin.get("/drip", params={"numbytes": "5", "duration": "0.1", "delay": "0"})
    assert answer.content == b"*****"
    assert answer.headers["Content-Length"] == "5"


def test_bytes(httpbin):
    assert len(httpbin.get("/bytes/5000?seed=1").content) == 5000
    assert httpbin.get("/bytes/5000?seed=1").content == httpbin.get("/bytes/5000?seed=1").content
    assert len(httpbin.get("/stream-bytes/50000?seed=1&chunk_size=999").content) == 50000


@pytest.mark.parametrize("bounds", ["0-9", "500-1023", "1000-", "-24"])
def test_ranges(httpbin, bounds):
    whole = httpbin.get("/range/1024").content
    answer = httpbin.get("/range/1024", headers={"Range": f"bytes={bounds}"})
    assert answer.status_code == 206
    first, _, last = bounds.partition("-")
    expected = whole[-int(last) :] if not first else whole[int(first) : int(last) + 1 if last else None]
    assert answer.content == expected


def test_encodings(httpbin):
    for path, decode in (("/gzip", gzip.decompress), ("/deflate", zlib.decompress)):
        with httpbin.stream("GET", path) as answer:
            raw = b"".join(answer.iter_raw())
        assert json.loads(decode(raw))
        assert int(answer.headers["Content-Length"]) == len(raw)
    assert httpbin.get("/gzip").json()["gzipped"] is True
    assert "\u2200" in httpbin.get("/encoding/utf8").text


def test_cookies(httpbin):
    answer = httpbin.get("/cookies/set", params={"one": "1", "two": "2"}, follow_redirects=True)
    assert answer.json() == {"cookies": {"one": "1", "two": "2"}}
    assert len(answer.history[0].headers.get_list("Set-Cookie")) == 2
    assert httpbin.get("/cookies/delete?one", follow_redirects=True).json() == {"cookies": {"two": "2"}}
    got = httpbin.get("/cookies", headers=[("Cookie", "a=1"), ("Cookie", "b=2")]).json()
    assert {"a": "1", "b": "2"}.items() <= got["cookies"].items()


def test_authentication(httpbin):
    assert httpbin.get("/basic-auth/me/secret").status_code == 401
    assert httpbin.get("/basic-auth/me/secret", auth=("me", "secret")).json() == {"authenticated": True, "user": "me"}
    assert httpbin.get("/bearer", headers={"Authorization": "Bearer token"}).json()["token"] == "token"
    assert httpbin.get("/digest-auth/auth/me/secret", auth=httpx.DigestAuth("me", "secret")).status_code == 200


def test_caching(httpbin):
    assert httpbin.get("/cache", headers={"If-None-Match": "x"}).status_code == 304
    assert httpbin.get("/etag/abc", headers={"If-None-Match": "abc"}).status_code == 304
    assert httpbin.get("/etag/abc", headers={"If-Match": "other"}).status_code == 412
    assert httpbin.get("/cache/60").headers["Cache-Control"] == "public, max-age=60"


def test_pages(httpbin):
    for path, kind in (
        ("/html", "text/html"),
        ("/xml", "application/xml"),
        ("/json", "application/json"),
        ("/robots.txt", "text/plain"),
    ):
        assert httpbin.get(path).headers["Content-Type"].startswith(kind)
    for kind in ("png", "jpeg", "svg", "webp"):
        answer = httpbin.get(f"/image/{kind}")
        assert len(answer.content) == int(answer.headers["Content-Length"]) > 100
    assert len(httpbin.get("/links/5/0").content) > 0
    assert httpbin.get("/delay/0").status_code == 200
    assert httpbin.head("/get").content == b""
    assert "GET" in httpbin.options("/get").headers["Allow"]
