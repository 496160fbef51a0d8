"""The smallest application: a WSGI callable and nothing else."""


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/") or "world"
    body = f"Hello, {name}!\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
