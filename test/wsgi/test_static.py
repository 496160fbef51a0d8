"""static = "auto": the files of Flask and Django applications are served without them, all else is theirs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

AUTO = (("RICKHOUSE_STATIC", "auto"),)

FLASK = """
from flask import Blueprint, Flask, request

app = Flask(__name__, static_folder="assets", static_url_path="/s")
shop = Blueprint("shop", __name__, url_prefix="/shop", static_folder="shop_files", static_url_path="/files")
app.register_blueprint(shop)
elsewhere = Blueprint("elsewhere", __name__, url_prefix="/<lang>", static_folder="assets")
app.register_blueprint(elsewhere)

@app.before_request
def guard():
    if request.path != "/":
        return f"guarded {request.method} {request.path}", 403

@app.get("/")
def index():
    return "index"
"""

DJANGO = """
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import re_path

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="s",
    STATIC_URL="static/", STATIC_ROOT=Path(__file__).parent / "collected",
    STORAGES={"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}},
    INSTALLED_APPS=["django.contrib." + name for name in ("admin", "auth", "contenttypes", "staticfiles")],
)
urlpatterns = [re_path("(.*)", lambda request, path: HttpResponse(f"django {path}"))]
application = get_wsgi_application()
"""


def client(server) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60)


@pytest.fixture(scope="session")
def flask_site(tmp_path_factory) -> Path:
    """A Flask application with two folders, and a guard before everything."""
    folder = tmp_path_factory.mktemp("flask")
    (folder / "shopfront.py").write_text(FLASK)
    for name, content in {
        "assets/a.css": "a",
        "shop_files/b.css": "b",
        "assets/sub/index.html": "i",
        "assets/.env": "e",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture(scope="session")
def django_site(tmp_path_factory, pytestconfig) -> Path:
    """A Django project whose files have been collected."""
    folder = tmp_path_factory.mktemp("django")
    (folder / "projekt.py").write_text(DJANGO)
    collect = "from django.core.management import call_command; call_command('collectstatic', interactive=False)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RICKHOUSE_", "DJANGO_"))}
    subprocess.run(
        [pytestconfig.getoption("--python"), "-c", f"import projekt; {collect}"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    return folder


def test_flask(serve, flask_site):
    with client(serve("shopfront:app", directory=str(flask_site), settings=AUTO)) as c:
        answer = c.get("/s/a.css")
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
            200,
            "a",
            "text/css; charset=utf-8",
        )
        assert c.get("/s/a.css", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        assert c.get("/shop/files/b.css").text == "b"
        assert c.head("/s/a.css").headers["content-length"] == "1"
        assert c.get("/").text == "index"


@pytest.mark.parametrize(
    "path",
    ["/s/nothing.css", "/s/", "/s", "/s/sub/", "/s/.env", "/s/..%2fshopfront.py", "/sx/a.css", "/en/static/a.css"],
)
def test_what_is_not_there_is_the_applications(serve, flask_site, path):
    with client(serve("shopfront:app", directory=str(flask_site), settings=AUTO)) as c:
        answer = c.get(path)
        assert (answer.status_code, answer.text[:8]) == (403, "guarded ")
        assert c.post("/s/a.css").text == "guarded POST /s/a.css"


def test_off_unless_asked_for(serve, flask_site):
    with client(serve("shopfront:app", directory=str(flask_site))) as c:
        assert c.get("/s/a.css").status_code == 403


def test_django(serve, django_site):
    with client(serve("projekt", directory=str(django_site), settings=AUTO)) as c:
        answer = c.get("/static/admin/css/base.css")
        assert answer.status_code == 200
        assert answer.content == (django_site / "collected/admin/css/base.css").read_bytes()
        assert answer.headers["accept-ranges"] == "bytes"
        hashed = next((django_site / "collected/admin/css").glob("base.*.css"))
        assert c.get(f"/static/admin/css/{hashed.name}").content == hashed.read_bytes()
        assert c.get("/static/nothing.css").text == "django static/nothing.css"
        assert c.get("/static/admin/").text == "django static/admin/"
        assert c.get("/other").text == "django other"


def test_django_that_is_mounted(serve, django_site):
    config = '[[routes]]\npath = "/shop/*"\napp = "app"\nstrip = true\n'
    server = serve("projekt", directory=str(django_site), settings=AUTO, config=config)
    with client(server) as c:
        assert c.get("/shop/static/admin/css/base.css").headers["accept-ranges"] == "bytes"
        assert c.get("/shop/static/nothing").text == "django static/nothing"
        assert c.get("/static/admin/css/base.css").status_code == 404


def test_files_that_were_not_collected_are_said(serve_own, tmp_path):
    (tmp_path / "projekt.py").write_text(DJANGO)
    server = serve_own("projekt", directory=str(tmp_path), settings=AUTO)
    server.wait_log("static files are left to the application.*collectstatic")
    with client(server) as c:
        assert c.get("/static/admin/css/base.css").text == "django static/admin/css/base.css"


def test_applications_without_static_files(serve_own, tmp_path):
    (tmp_path / "plain.py").write_text(
        'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"plain"]\n'
    )
    server = serve_own("plain:app", directory=str(tmp_path), settings=AUTO)
    server.wait_log("found no static files")
    with client(server) as c:
        assert c.get("/static/a.css").text == "plain"
