"""The cooper's notebook: a small Flask application with a bit of everything."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flask import Flask, Response, flash, redirect, render_template, request, send_file, stream_template, url_for

app = Flask(__name__)
# Each worker process must come to the same key, or a flash made in one is unreadable in the next.
app.secret_key = os.environ.get("SECRET_KEY", "only for trying things out")

BARRELS = [
    {"name": "Ardbeg", "wood": "bourbon oak", "year": 2014, "litres": 190},
    {"name": "Bunnahabhain", "wood": "oloroso sherry", "year": 2009, "litres": 480},
    {"name": "Caol Ila", "wood": "refill hogshead", "year": 2012, "litres": 240},
    {"name": "Dalwhinnie", "wood": "virgin oak", "year": 2017, "litres": 200},
]
NOTE_LIMIT = 280


def book() -> sqlite3.Connection:
    """Open the notebook. It is a file, so that all worker processes write in the same one."""
    path = Path(app.instance_path, "notes.sqlite3")
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS notes (author TEXT, text TEXT)")
    return connection


def notes_page() -> str:
    with closing(book()) as db:
        notes = db.execute("SELECT author, text FROM notes ORDER BY rowid DESC LIMIT 20").fetchall()
    return render_template("notes.html", notes=notes, limit=NOTE_LIMIT, worker=os.getpid())


@app.get("/")
def index() -> str:
    return render_template("index.html", barrels=BARRELS)


@app.get("/notes")
def show_notes() -> str:
    return notes_page()


@app.post("/notes")
def add_note() -> tuple[str, int] | Response:
    author, text = request.form.get("author", "").strip(), request.form.get("text", "").strip()
    if not author or not text or len(text) > NOTE_LIMIT:
        flash(f"A note needs a name and 1 to {NOTE_LIMIT} characters.", "bad")
        return notes_page(), 422
    with closing(book()) as db, db:
        db.execute("INSERT INTO notes VALUES (?, ?)", (author, text))
    flash(f"Thank you, {author}: the note is in the book.", "good")
    return redirect(url_for("show_notes"), code=303)


@app.get("/upload")
def ask_upload() -> str:
    return render_template("upload.html", result=None)


@app.post("/upload")
def take_upload() -> tuple[str, int] | str:
    file = request.files.get("file")
    if file is None or not file.filename:
        flash("Choose a file first.", "bad")
        return render_template("upload.html", result=None), 422
    digest, size = hashlib.sha256(), 0
    while piece := file.stream.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    return render_template("upload.html", result={"name": file.filename, "size": size, "sha256": digest.hexdigest()})


@app.get("/stream")
def stream() -> Response:
    """Send the page while it is made: each line as soon as it is there."""
    count = min(max(request.args.get("count", 10, type=int), 1), 100)
    pause = min(max(request.args.get("pause", 0.3, type=float), 0.0), 2.0)

    def years() -> Iterator[tuple[int, float]]:
        strength = 63.5
        for year in range(1, count + 1):
            strength *= 0.985
            yield year, strength
            time.sleep(pause)

    return Response(stream_template("stream.html", years=years(), count=count), headers={"X-Accel-Buffering": "no"})


@app.get("/download")
def download() -> Response:
    lines = ["name,wood,year,litres", *(f"{b['name']},{b['wood']},{b['year']},{b['litres']}" for b in BARRELS)]
    return send_file(
        io.BytesIO(("\n".join(lines) + "\n").encode()),
        mimetype="text/csv",
        as_attachment=True,
        download_name="barrels.csv",
    )


@app.get("/download/label")
def label() -> Response:
    """A real file: the server sends it by its descriptor."""
    return send_file("static/label.svg", as_attachment=True, download_name="label.svg")


@app.errorhandler(404)
def missing(error: Exception) -> tuple[str, int]:
    return render_template("missing.html"), 404
