"""The smallest Flask application."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Answer 13 octets."""
    return "Hello, World!"
