"""What the interpreter of a worker runs. It parses on every Python, to say so where one is too old.

A module of its own and not `-m`: `multiprocessing` imports it again in its children, where it must do nothing.
"""
# ruff: noqa: ANN202, UP031, UP036 (it has to parse on Pythons that are too old)

import os
import sys


def _main():  # type: () -> None
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.version_info < (3, 10):
        _too_old()
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    # The folder belongs to the server and is compared octet by octet: nothing is written into it.
    write_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, here)
    from rickhouse_worker.process import Start

    start = Start(here)
    sys.path.remove(here)
    sys.dont_write_bytecode = write_bytecode
    start.run()


def _too_old():  # type: () -> None
    import json
    import struct

    text = "Python %d.%d is too old: 3.10 is the oldest that is served (%s)" % (
        sys.version_info[0],
        sys.version_info[1],
        sys.executable,
    )
    payload = json.dumps({"phase": "interpreter", "error": text, "traceback": ""}).encode("ascii")
    frame = struct.pack("<IBBHI", len(payload), 17, 0, 0, 0) + payload
    os.write(int(os.environ["RICKHOUSE_LINK"]), frame)
    sys.exit(3)


if __name__ == "__main__":
    _main()
