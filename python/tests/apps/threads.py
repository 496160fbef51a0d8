"""Applications whose threads go on with what is over, one for each first segment of the path."""

import os
import threading
import time

TEXT = [("Content-Type", "text/plain")]
log = []
threads = []


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    return globals()[name](environ, start_response)


def spawn(work):
    def noting():
        try:
            work()
        except Exception as error:
            log.append(type(error).__name__)
        else:
            log.append("ended")

    threads.append(threading.Thread(target=noting))
    threads[-1].start()


def history(environ, start_response):
    """What became of the threads, which have all ended."""
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    start_response("200 OK", TEXT)
    text = ",".join(log).encode()
    threads.clear()
    log.clear()
    return [text]


def wait_for_file(environ):
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.002)


def large(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"x" * 400_000]


def writers(environ, start_response):
    """Threads that write at the same time, from the first octet on."""
    out = start_response("200 OK", TEXT)
    barrier = threading.Barrier(4)

    def work():
        barrier.wait(120)
        for _ in range(4):
            out(b"x" * 20_000)
            out(b"x" * 100)

    for _ in range(3):
        spawn(work)
    work()
    for thread in threads:
        thread.join()
    return [b"end"]


def writers_of_a_length(environ, start_response):
    """Likewise, and more than Content-Length in all."""
    out = start_response("200 OK", [*TEXT, ("Content-Length", "100000")])
    for _ in range(3):
        spawn(lambda: [out(b"x" * 20_001) for _ in range(4)])
    for thread in threads:
        thread.join()
    return []


def writes_on(environ, start_response):
    """The thread still writes when the request is over."""
    out = start_response("200 OK", TEXT)

    def work():
        while True:
            out(b"x" * 20_000)

    spawn(work)
    if environ["QUERY_STRING"]:
        wait_for_file(environ)
    return []


def reads_on(environ, start_response):
    """The thread still reads when the request is over."""
    content = environ["wsgi.input"]

    def work():
        while content.read(1000):
            pass

    spawn(work)
    wait_for_file(environ)
    start_response("200 OK", TEXT)
    return [b"over"]


class Reader:
    """What reads when it is forgotten."""

    def __init__(self, content):
        self.content = content

    def __del__(self):
        log.append(str(len(self.content.read(1000))))


def reads_at_last(environ, start_response):
    environ["reader"] = Reader(environ["wsgi.input"])
    start_response("200 OK", TEXT)
    return [b"over"]
