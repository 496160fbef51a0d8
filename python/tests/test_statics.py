"""Where static files are said to be; test/wsgi/test_static.py has the frameworks."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rickhouse_worker import statics


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/static/", "/static/"),
        ("static/", "/static/"),
        ("/static", "/static/"),
        ("/a/b/", "/a/b/"),
        ("/", None),
        ("", None),
        (None, None),
        ("https://cdn.example/static/", None),
        ("//cdn.example/static/", None),
        ("/<lang>/static/", None),
    ],
)
def test_paths(url, path):
    assert statics._place(url, "/srv/x") == ([] if path is None else [(path, "/srv/x")])


def test_folders():
    assert statics._place("/s/", Path("/srv/./x")) == [("/s/", "/srv/x")]
    assert statics._place("/s/", None) == statics._place("/s/", "") == []
    assert Path(statics._place("/s/", "relative")[0][1]).is_absolute()


def test_no_framework_is_imported(monkeypatch):
    for name in ("flask", "django.conf"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert statics.find(object()) == []
    assert "flask" not in sys.modules


def test_a_framework_that_has_changed_does_not_stop_the_start(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "django.conf", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "flask", raising=False)
    assert statics.find(object()) == []
    assert 'static = "auto" found no files by Django' in capsys.readouterr().err
