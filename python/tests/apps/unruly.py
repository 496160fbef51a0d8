"""Applications that fork, execute, leak and close, one for each first segment of the path."""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]


@atexit.register
def at_exit():
    print("atexit ran", flush=True)


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    return globals()[name](environ, start_response)


def answer(start_response, text):
    start_response("200 OK", TEXT)
    return [str(text).encode()]


def hello(environ, start_response):
    return answer(start_response, "hello")


def pid(environ, start_response):
    return answer(start_response, os.getpid())


def forks(environ, start_response):
    """The child goes its own way."""
    child = os.fork()
    if child == 0:
        os._exit(7)
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_returns(environ, start_response):
    """The child comes back into the server."""
    child = os.fork()
    if child == 0:
        print("from the child", end=" ")
        start_response("200 OK", TEXT)
        return [b"from the child"]
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_streams(environ, start_response):
    child = os.fork()
    if child == 0:
        start_response("200 OK", TEXT)
        return iter([b"from", b"the child"])
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_writes(environ, start_response):
    child = os.fork()
    if child == 0:
        start_response("200 OK", TEXT)(b"x")
        return []
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_reads(environ, start_response):
    child = os.fork()
    if child == 0:
        environ["wsgi.input"].read()
        return answer(start_response, "child")
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_exits(environ, start_response):
    child = os.fork()
    if child == 0:
        sys.exit(5)
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_exits_with_words(environ, start_response):
    child = os.fork()
    if child == 0:
        sys.exit("words of the child")
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_raises(environ, start_response):
    child = os.fork()
    if child == 0:
        raise ValueError("in the child")
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def child_lives(environ, start_response):
    """A child that outlives the worker must not hold the link open."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    return answer(start_response, child)


def executes(environ, start_response):
    """What a program sees that the application starts."""
    code = (
        "import os, signal, sys; fds = [f for f in os.listdir('/proc/self/fd') if int(f) > 900];"
        "print(fds, signal.getsignal(signal.SIGINT) is signal.default_int_handler,"
        " signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.pthread_sigmask(0, []))"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return answer(start_response, text.strip())


def executes_inheriting(environ, start_response):
    child = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, check=True, close_fds=False)
    return answer(start_response, max(int(fd) for fd in child.stdout.split()) < 900)


def work(n):
    return n * n, os.getpid()


def multiprocesses(environ, start_response):
    import multiprocessing

    method = environ["QUERY_STRING"]
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        got = pool.map(work, range(5))
    assert os.getpid() not in {p for _, p in got}
    return answer(start_response, [n for n, _ in got])


def child_signals(environ, start_response):
    """A forked child dies of SIGTERM, whatever the worker does with it."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    return answer(start_response, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def leaks(environ, start_response):
    kept.append([os.open("/dev/null", os.O_RDONLY) for _ in range(50)])
    return answer(start_response, "leaked")


kept = []


def closes_all(environ, start_response):
    """Close every descriptor that a daemon would, and open a file where the link might be."""
    os.closerange(3, 1 << 16)
    path = environ["QUERY_STRING"]
    for i in range(int(environ.get("HTTP_COUNT", "10"))):
        os.open(f"{path}.{i}", os.O_RDWR | os.O_CREAT)
    return answer(start_response, "closed")


def busy(environ, start_response):
    """Never come back, without a system call."""
    print("begun", flush=True)
    while True:
        pass


def sleeps(environ, start_response):
    print("begun", flush=True)
    time.sleep(600)


def slow(environ, start_response):
    """Wait for the file that the query names."""
    print("begun", flush=True)
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.002)
    return answer(start_response, "slow")


def interrupted(environ, start_response):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)
    return answer(start_response, "went on")


def terminated(environ, start_response):
    os.kill(os.getpid(), signal.SIGTERM)
    return answer(start_response, "finished")


def terminates_its_thread(environ, start_response):
    """The kernel may give a signal for the process to any thread, as it does when that goes on after a SIGSTOP."""
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    return answer(start_response, "finished")


def terminates_later(environ, start_response):
    """Likewise, a thread of the application, when there is the file that the query names."""

    def work():
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.002)
        time.sleep(0.05)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    threading.Thread(target=work).start()
    return answer(start_response, "later")


def crashes(environ, start_response):
    import ctypes

    ctypes.string_at(0)


def raising(number, frame):
    raise ValueError("in the handler")


def leaving(number, frame):
    sys.exit(3)


# Only the main thread may set them, which is the one that imports.
if os.environ.get("HANDLERS"):
    signal.signal(signal.SIGUSR1, raising)
    signal.signal(signal.SIGTERM, leaving)


def threads_on(environ, start_response):
    """A thread that prints after the answer."""
    threading.Thread(target=lambda: (time.sleep(0.05), print("from the thread")), daemon=False).start()
    return answer(start_response, "started")


def recursion(environ, start_response):
    def down(n):
        return down(n + 1)

    return down(0)


def memory(environ, start_response):
    return answer(start_response, len(bytearray(1 << 60)))


def redirects(environ, start_response):
    """Replace stderr by something that fails; the worker's own words still come."""

    class Broken:
        def write(self, text):
            raise OSError("broken")

    sys.stderr = Broken()
    raise ValueError("said all the same")
