"""Where the static files of an application are, for the front to serve them: found without running the application."""

from __future__ import annotations

import os
import sys
from typing import Any


def find(app: Any) -> list[dict[str, str]]:
    """Return the URL path (as PATH_INFO has it, with a slash at both ends) and the absolute folder of each place.

    What cannot be told is left out: a framework that is not there, or has changed, costs static files, not the start.
    """
    places: list[tuple[str, str]] = []
    for look in (_django, _flask):
        try:
            places += look(app)
        except Exception as error:
            print(f'static = "auto" found no files by {look.__name__[1:].title()}: {error!r}', file=sys.stderr)
    return [{"url": url, "folder": folder} for url, folder in places]


def _place(url: object, folder: object) -> list[tuple[str, str]]:
    """A place, if it is one: a URL on another host has no path here, and "/" would be all of the application's."""
    if not url or not folder:
        return []
    path = f"/{str(url).strip('/')}/"
    if "://" in str(url) or str(url).startswith("//") or path == "//" or "<" in path:
        return []
    return [(path, os.path.abspath(os.fspath(folder)))]  # type: ignore[call-overload]


def _django(app: Any) -> list[tuple[str, str]]:
    conf = sys.modules.get("django.conf")
    if conf is None or not conf.settings.configured:
        return []
    return _place(conf.settings.STATIC_URL, conf.settings.STATIC_ROOT)


def _flask(app: Any) -> list[tuple[str, str]]:
    """The static folder of the application, and those of its blueprints."""
    flask = sys.modules.get("flask")
    if flask is None or not isinstance(app, flask.Flask):
        return []
    places = []
    for rule in app.url_map.iter_rules():
        *blueprint, view = rule.endpoint.rsplit(".", 1)
        owner = app.blueprints.get(blueprint[0]) if blueprint else app
        url, parameter, rest = rule.rule.partition("<path:filename>")
        if view == "static" and parameter and not rest and not (rule.subdomain or rule.host) and owner is not None:
            places += _place(url, owner.static_folder)
    return places
