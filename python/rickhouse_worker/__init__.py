"""The worker's side of Rickhouse: it runs a WSGI application and speaks the link (docs/link.md).

`process` starts, `target` finds the application, `link` reads and writes frames, `serve` runs requests, `environ`,
`content`, `answer` and `files` are what the application sees. `_rickhouse`, the C extension, takes the place of `link`,
`serve` and the hot half of the rest where it is there. Nothing here knows HTTP as octets, and nothing outside the
standard library is imported.
"""
