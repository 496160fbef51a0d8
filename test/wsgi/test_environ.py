"""The environ: an exact dict of native strings that says what the client sent, once decoded and no more."""

from __future__ import annotations

import json

import pytest
from harness.server import Server


def environ(server: Server, path: str | bytes = "/environ", **options: object) -> dict:
    """Return the values of the environ that a request makes."""
    answer = server.request(path, **options)  # type: ignore[arg-type]
    assert answer.status == 200, answer
    return {key: value for key, (_, value) in json.loads(answer.body)["items"].items()}


@pytest.mark.unvalidated("the validator hands on an environ of its own making")
def test_is_an_exact_dict_with_native_keys(site):
    got = json.loads(site.request("/environ").body)
    assert got["exact"] is True
    assert got["key_types"] == ["str"]


def test_holds_what_must_be_there_in_native_types(site):
    items = json.loads(site.request("/environ?a=b").body)["items"]
    for key in (
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
    ):
        assert items[key][0] == "str", key
    for key, (kind, value) in items.items():
        if not key.startswith("wsgi.") and "." not in key:
            assert kind == "str", key
            value.encode("latin-1")
    assert items["wsgi.version"] == ["tuple", [1, 0]]
    assert items["wsgi.url_scheme"] == ["str", "http"]
    for key in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"):
        assert items[key][0] == "bool", key
    assert items["wsgi.run_once"][1] is False
    assert {"wsgi.input", "wsgi.errors"} <= items.keys()


@pytest.mark.unvalidated("the validator lets file_wrapper through, the check is of the type")
def test_offers_a_file_wrapper(site):
    assert "wsgi.file_wrapper" in json.loads(site.request("/environ").body)["items"]


def test_request_line(site):
    got = environ(site, "/environ/some/where?a=1&b=%20&c")
    assert got["REQUEST_METHOD"] == "GET"
    assert got["SCRIPT_NAME"] == ""
    assert got["PATH_INFO"] == "/environ/some/where"
    assert got["QUERY_STRING"] == "a=1&b=%20&c"
    assert got["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_server_and_client(site):
    with site.connect() as connection:
        port = connection.socket.getsockname()[1]
        connection.send(site.encode("/environ"))
        items = json.loads(connection.read_answer().body)["items"]
    assert items["SERVER_NAME"][1] in ("127.0.0.1", "localhost")
    assert items["SERVER_PORT"] == ["str", str(site.address[1])]
    assert items["REMOTE_ADDR"] == ["str", "127.0.0.1"]
    assert items["HTTP_HOST"][1] == f"127.0.0.1:{site.address[1]}"
    assert items["REMOTE_PORT"] == ["str", str(port)]


def test_http_1_0(site):
    got = environ(site, version="1.0")
    assert got["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_http_1_0_without_host(site):
    with site.connect() as connection:
        connection.send(b"GET /environ HTTP/1.0\r\n\r\n")
        answer = connection.read_answer()
    items = json.loads(answer.body)["items"]
    assert "HTTP_HOST" not in items
    assert items["SERVER_NAME"][1]
    assert items["SERVER_PORT"][1] == str(site.address[1])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_methods(site, method):
    assert environ(site, method=method)["REQUEST_METHOD"] == method


@pytest.mark.unvalidated("the validator warns of methods it does not know")
def test_methods_of_others(site):
    assert environ(site, method="PROPFIND")["REQUEST_METHOD"] == "PROPFIND"
    assert environ(site, method="M-SEARCH")["REQUEST_METHOD"] == "M-SEARCH"
    assert environ(site, method="get")["REQUEST_METHOD"] == "get"


@pytest.mark.parametrize(
    ("sent", "path_info"),
    [
        ("/environ/a%20b", "/environ/a b"),
        ("/environ/%2541", "/environ/%41"),
        ("/environ/%25%32%35", "/environ/%25"),
        ("/environ/caf%C3%A9", "/environ/caf\u00c3\u00a9"),
        ("/environ/%E2%82%AC", "/environ/\u00e2\u0082\u00ac"),
        ("/environ/%ff%FE", "/environ/\u00ff\u00fe"),
        ("/environ/a+b", "/environ/a+b"),
        ("/environ/a%3Fb", "/environ/a?b"),
        ("/environ/a%23b", "/environ/a#b"),
        ("/environ/a;b=c", "/environ/a;b=c"),
        ("/environ/%7Euser/~", "/environ/~user/~"),
        ("/environ/a%0Ab", "/environ/a\nb"),
        ("/%65nviron", "/environ"),
        ("/environ/", "/environ/"),
        ("/environ/a//b", "/environ/a//b"),
        ("/environ/x/../y/./z", "/environ/y/z"),
        ("/environ/x/%2e%2e/y", "/environ/y"),
        (b"/environ/caf\xc3\xa9", "/environ/caf\u00c3\u00a9"),
        ("/environ/a%2Fb%5Cc", "/environ/a/b\\c"),
    ],
)
def test_path_is_decoded_once(site, sent, path_info):
    assert environ(site, sent)["PATH_INFO"] == path_info


@pytest.mark.parametrize(
    "sent", ["/environ/%00", "/environ/%", "/environ/%4", "/environ/%zz", "/../environ", "/%2e%2e/environ"]
)
def test_paths_that_are_refused(site, sent):
    assert site.request(sent).status == 400


@pytest.mark.parametrize(
    "sent",
    ["/environ?%41=%42%2", "/environ?a=b?c=d", "/environ?", "/environ??", "/environ?a=/../b", "/environ?caf%C3%A9"],
)
def test_query_is_left_as_sent(site, sent):
    assert environ(site, sent)["QUERY_STRING"] == sent.partition("?")[2]


def test_no_query_is_an_empty_one(site):
    assert environ(site)["QUERY_STRING"] == ""


def test_absolute_form_wins_over_host(site):
    with site.connect() as connection:
        connection.send(b"GET http://shop.example:8080/environ/x?q HTTP/1.1\r\nHost: other.example\r\n\r\n")
        items = json.loads(connection.read_answer().body)["items"]
    assert items["HTTP_HOST"][1] == "shop.example:8080"
    assert items["PATH_INFO"][1] == "/environ/x"
    assert items["QUERY_STRING"][1] == "q"


@pytest.mark.unvalidated("the validator wants a path that begins with a slash")
def test_asterisk_form(site):
    got = environ(site, "*", method="OPTIONS")
    assert got["REQUEST_METHOD"] == "OPTIONS"
    assert got["PATH_INFO"] == "*"


def test_fields_become_variables(site):
    got = environ(
        site,
        fields={
            "X-One": "1",
            "x-two": "2",
            "ACCEPT": "*/*",
            "X-Empty": "",
            "X-Space": "  a  b \t",
            "X.Dot~!": "d",
            "X-9": "9",
        },
    )
    assert got["HTTP_X_ONE"] == "1"
    assert got["HTTP_X_TWO"] == "2"
    assert got["HTTP_ACCEPT"] == "*/*"
    assert got["HTTP_X_EMPTY"] == ""
    assert got["HTTP_X_SPACE"] == "a  b"
    assert got["HTTP_X.DOT~!"] == "d"
    assert got["HTTP_X_9"] == "9"


def test_field_values_are_latin_1(site):
    got = environ(site, fields={"X-Latin": b"caf\xc3\xa9 \xff", "X-Tab": b"a\tb"})
    assert got["HTTP_X_LATIN"] == "caf\u00c3\u00a9 \u00ff"
    assert got["HTTP_X_TAB"] == "a\tb"


def test_content_fields_have_no_prefix(site):
    got = environ(site, method="POST", fields={"Content-Type": "text/x; a=b"}, body=b"12345")
    assert got["CONTENT_TYPE"] == "text/x; a=b"
    assert got["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in got
    assert "HTTP_CONTENT_LENGTH" not in got


def test_without_content_the_length_is_absent_or_zero(site):
    assert environ(site).get("CONTENT_LENGTH", "") == ""
    assert environ(site, method="POST", body=b"")["CONTENT_LENGTH"] == "0"


def test_fields_that_repeat_are_joined(site):
    got = environ(
        site, fields=[("X-Many", "a"), ("Accept", "x/y"), ("x-many", "b, c"), ("X-MANY", ""), ("X-Many", "d")]
    )
    assert got["HTTP_X_MANY"].replace(" ", "") == "a,b,c,,d"
    assert got["HTTP_ACCEPT"] == "x/y"


def test_cookies_are_joined_by_semicolons(site):
    got = environ(site, fields=[("Cookie", "a=1"), ("cookie", "b=2; c=3"), ("COOKIE", "d=4")])
    assert got["HTTP_COOKIE"] == "a=1; b=2; c=3; d=4"


def test_fields_with_underscores_are_dropped(site):
    fields = [
        ("X-Real", "true"),
        ("X_Real", "forged"),
        ("Content_Length", "99"),
        ("_", "x"),
        ("X-Forwarded_For", "1.2.3.4"),
    ]
    got = environ(site, fields=fields)
    assert got["HTTP_X_REAL"] == "true"
    assert "99" not in got.values()
    assert "HTTP_X_FORWARDED_FOR" not in got
    assert "HTTP__" not in got


def test_proxy_is_dropped(site):
    got = environ(site, fields=[("Proxy", "http://evil.example"), ("PROXY", "http://evil.example")])
    assert "HTTP_PROXY" not in got


def test_variables_of_the_server_cannot_be_sent(site):
    fields = {
        "Script-Name": "/evil",
        "Path-Info": "/evil",
        "Remote-Addr": "6.6.6.6",
        "Remote-User": "root",
        "Wsgi.Url-Scheme": "https",
    }
    got = environ(site, fields=fields)
    assert got["SCRIPT_NAME"] == ""
    assert got["PATH_INFO"] == "/environ"
    assert got["REMOTE_ADDR"] == "127.0.0.1"
    assert "REMOTE_USER" not in got
    assert got["wsgi.url_scheme"] == "http"


def test_connection_fields_are_the_servers(site):
    with site.connect() as connection:
        connection.send(
            site.encode(
                "/environ", fields={"Connection": "keep-alive, X-Hop", "Keep-Alive": "timeout=5", "TE": "trailers"}
            )
        )
        items = json.loads(connection.read_answer().body)["items"]
    assert (
        not {"HTTP_CONNECTION", "HTTP_KEEP_ALIVE", "HTTP_TE", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE"} & items.keys()
    )


def test_large_and_many_fields(site):
    got = environ(site, fields={f"X-Field-{number}": str(number) * 50 for number in range(90)})
    assert all(got[f"HTTP_X_FIELD_{number}"] == str(number) * 50 for number in range(90))
    got = environ(site, fields={"X-Large": "v" * 8000, "Cookie": "c" * 8000})
    assert got["HTTP_X_LARGE"] == "v" * 8000
    assert got["HTTP_COOKIE"] == "c" * 8000
    assert environ(site, "/environ?" + "q" * 8000)["QUERY_STRING"] == "q" * 8000


def test_names_of_every_length(site):
    names = ["X-" + "n" * size for size in (1, 10, 62, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000)]
    got = environ(site, fields={name: str(len(name)) for name in names})
    assert all(got["HTTP_" + name.upper().replace("-", "_")] == str(len(name)) for name in names)


@pytest.mark.unvalidated("takes wsgi.version away")
def test_changes_do_not_reach_the_next_request(site):
    with site.connect() as connection:
        for _ in range(3):
            connection.send(site.encode("/leave_a_mark"))
            assert json.loads(connection.read_answer().body) == []
        connection.send(site.encode("/environ"))
        items = json.loads(connection.read_answer().body)["items"]
    assert items["PATH_INFO"][1] == "/environ"
    assert items["SERVER_NAME"][1] != "changed.example"
    assert items["wsgi.version"][1] == [1, 0]


def test_fields_of_one_request_do_not_reach_the_next(site):
    with site.connect() as connection:
        connection.send(
            site.encode(
                "/environ?first", "POST", {"X-Private": "secret", "Cookie": "s=1", "Content-Type": "a/b"}, b"12345"
            )
        )
        assert json.loads(connection.read_answer().body)["items"]["HTTP_X_PRIVATE"][1] == "secret"
        connection.send(site.encode("/environ"))
        items = json.loads(connection.read_answer().body)["items"]
    assert not {"HTTP_X_PRIVATE", "HTTP_COOKIE", "CONTENT_TYPE"} & items.keys()
    assert items.get("CONTENT_LENGTH", ["str", ""])[1] == ""
    assert items["QUERY_STRING"][1] == ""


@pytest.mark.parametrize(
    ("workers", "threads", "multiprocess", "multithread"),
    [(1, 1, False, False), (2, 1, True, False), (1, 4, False, True), (2, 2, True, True)],
)
def test_says_truly_how_it_runs(serve, workers, threads, multiprocess, multithread):
    server = serve("fixtures.site:application", workers=workers, threads=threads)
    got = environ(server)
    assert got["wsgi.multiprocess"] is multiprocess
    assert got["wsgi.multithread"] is multithread
    assert got["wsgi.run_once"] is False
