"""Serve MODULE:ATTRIBUTE on 127.0.0.1:PORT with bjoern, in one process."""

import importlib
import sys

import bjoern

module, _, attribute = sys.argv[1].partition(":")
app = getattr(importlib.import_module(module), attribute)
bjoern.run(app, "127.0.0.1", int(sys.argv[2]))
