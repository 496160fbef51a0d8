"""Serve MODULE:ATTRIBUTE on 127.0.0.1:PORT with Waitress."""

import importlib
import logging
import sys

import waitress

module, _, attribute = sys.argv[1].partition(":")
app = getattr(importlib.import_module(module), attribute)
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
waitress.serve(
    app,
    listen=f"127.0.0.1:{sys.argv[2]}",
    threads=4,
    asyncore_use_poll=True,
)
