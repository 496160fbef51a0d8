"""The examples of the repository: a Flask application and a Django project."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from harness.server import ROOT

EXAMPLES = ROOT / "examples"
PIECE = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """Copies of the examples, which write into their folders."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("flask", "django"):
        shutil.copytree(
            EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("instance", "*.sqlite3", "__pycache__")
        )
    return folder


@pytest.fixture
def flask(serve, copies):
    """A client of the Flask example, on two workers."""
    server = serve("app:app", directory=str(copies / "flask"), workers=2)
    since = server.log_size()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
    assert "Traceback" not in server.log(since)


@pytest.fixture(scope="module")
def migrated(copies, pytestconfig) -> Path:
    """The Django project with its database."""
    python, project = pytestconfig.getoption("--python"), copies / "django"
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("RICKHOUSE_", "DJANGO_"))}
    code = (
        "from django.core.management import call_command; call_command('migrate', verbosity=0);"
        "from django.contrib.auth import get_user_model;"
        "get_user_model().objects.create_superuser('cooper', 'c@example.com', 'barrel')"
    )
    command = [python, "manage.py", "shell", "--verbosity", "0", "-c", code]
    subprocess.run(command, cwd=project, env=variables, check=True)
    return project


@pytest.fixture
def django(serve, migrated):
    """A client of the Django project, on two workers."""
    server = serve("shop.wsgi:application", directory=str(migrated), workers=2)
    since = server.log_size()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
    assert "Traceback" not in server.log(since)


def test_flask_template_and_static_files(flask):
    page = flask.get("/")
    assert page.status_code == 200
    assert "Ardbeg" in page.text
    style = flask.get(re.search(r'href="(/static/[^"]+\.css[^"]*)"', page.text)[1])
    assert style.headers["Content-Type"].startswith("text/css")
    assert style.content == (EXAMPLES / "flask" / "static" / "style.css").read_bytes()
    assert flask.get(style.request.url, headers={"If-None-Match": style.headers["ETag"]}).status_code == 304
    part = flask.get(style.request.url, headers={"Range": "bytes=10-29"})
    assert (part.status_code, part.content) == (206, style.content[10:30])
    assert flask.get("/no/such/page").status_code == 404


def test_flask_form(flask):
    bad = flask.post("/notes", data={"author": "me", "text": ""})
    assert bad.status_code == 422
    good = flask.post("/notes", data={"author": "Jos\u00e9", "text": "vanilla & <smoke>"}, follow_redirects=True)
    assert [past.status_code for past in good.history] == [303]
    assert "Jos\u00e9" in good.text
    assert "vanilla &amp; &lt;smoke&gt;" in good.text
    assert "Thank you" in good.text


@pytest.mark.parametrize("pieces", [1, 100, 3000])
def test_flask_upload(flask, pieces):
    answer = flask.post("/upload", files={"file": ("cask.bin", PIECE * pieces)})
    assert answer.status_code == 200
    assert hashlib.sha256(PIECE * pieces).hexdigest() in answer.text
    assert "cask.bin" in answer.text


def test_flask_streamed_page(flask):
    with flask.stream("GET", "/stream", params={"count": 5, "pause": 0}) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        text = answer.read().decode()
    assert text.rstrip().endswith("</html>")


def test_flask_downloads(flask):
    answer = flask.get("/download")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.text.startswith("name,wood,year,litres\nArdbeg,")
    label = flask.get("/download/label")
    assert label.content == (EXAMPLES / "flask" / "static" / "label.svg").read_bytes()
    assert label.headers["Content-Length"] == str(len(label.content))


def test_django_admin(django):
    page = django.get("/admin/", follow_redirects=True)
    assert page.status_code == 200
    assert "Log in" in page.text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    fields = {"username": "cooper", "password": "barrel", "csrfmiddlewaretoken": token, "next": "/admin/"}
    wrong = django.post("/admin/login/", data={**fields, "password": "wrong"})
    assert "Please enter the correct" in wrong.text
    right = django.post("/admin/login/?next=/admin/", data=fields, follow_redirects=True)
    assert right.status_code == 200
    assert "Site administration" in right.text
    assert django.post("/admin/login/", data={**fields, "csrfmiddlewaretoken": "forged"}).status_code == 403


def test_django_static_files(django):
    page = django.get("/admin/login/")
    for path in re.findall(r'(?:href|src)="(/static/admin/[^"]+)"', page.text):
        answer = django.get(path)
        assert answer.status_code == 200, path
        assert int(answer.headers["Content-Length"]) == len(answer.content) > 0
    assert (
        django.get("/static/cellar/style.css").content
        == (EXAMPLES / "django/cellar/static/cellar/style.css").read_bytes()
    )
    assert django.get("/static/cellar/nothing.css").status_code == 404


@pytest.mark.parametrize("pieces", [1, 100, 1000])
def test_django_upload(django, pieces):
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', django.get("/upload/").text)[1]
    answer = django.post("/upload/", data={"csrfmiddlewaretoken": token}, files={"file": ("cask.bin", PIECE * pieces)})
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "cask.bin",
        "size": 1024 * pieces,
        "sha256": hashlib.sha256(PIECE * pieces).hexdigest(),
    }
