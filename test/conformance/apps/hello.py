"""Answers a few octets to everything, after it has read the content."""


def app(environ, start_response):
    content = environ["wsgi.input"].read()
    body = b"Hello, World!" + content
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
