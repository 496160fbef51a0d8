"""gRPC through rickhouse: grpcio as the client before it and the server behind it, over TLS and without."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from conftest import folder, peer

peer("grpc")

import grpc  # noqa: E402
from harness import rpc  # noqa: E402
from harness.rpc import Client  # noqa: E402
from harness.servers import PATIENCE, Server  # noqa: E402

# What rickhouse speaks to its client, and to the server.
WAYS = ("h2c-h2c", "h2-h2")


@pytest.fixture(scope="module")
def house() -> Iterator[Server]:
    """Rickhouse before a gRPC server: the service that is called picks how that is spoken to."""
    with folder() as path, folder() as here:
        for place in (path, here):
            rpc.certificate(place)
        server, ports = rpc.peer(path, "127.0.0.1:0", "cert.pem", "key.pem", "127.0.0.1:0")
        routes = "".join(
            f'[[routes]]\npath = "/{scheme}.Test/*"\nproxy = ["{scheme}://localhost:{port}"]\n{tls}\n'
            for scheme, port, tls in zip(("h2c", "h2"), ports, ("", f'upstream_ca = "{path}/cert.pem"'), strict=True)
        )
        made = rpc.house(here, routes)
        yield made
        server.stop()
        assert made.stop() == 0, made.log


@pytest.fixture(params=WAYS)
def client(request: pytest.FixtureRequest, house: Server) -> Iterator[Client]:
    """A client with a connection of its own."""
    before, behind = request.param.split("-")
    with rpc.channel(house, before == "h2") as made:
        yield Client(made, f"{behind}.Test")


class Messages:
    """Messages of a client, sent when the test says."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send(self, message: bytes | None) -> None:
        """Send a message; None ends them."""
        self.waiting.put(message)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.waiting.get, None)


def test_unary(client: Client) -> None:
    metadata = (("x-text", "a b"), ("x-two", "1"), ("x-two", "2"), ("x-octets-bin", b"\x00\xfe\xff"))
    answer, call = client.unary("Echo").with_call(b"hello", metadata=metadata, timeout=PATIENCE)
    assert (answer, call.code()) == (b"hello", grpc.StatusCode.OK)
    assert set(metadata) <= set(call.initial_metadata())
    assert set(metadata) <= set(call.trailing_metadata())


def test_messages_of_no_octets(client: Client) -> None:
    assert client.unary("Echo")(b"", timeout=PATIENCE) == b""
    assert list(client.both("Chat")(iter([b"", b""]), timeout=PATIENCE)) == [b"", b""]


def test_server_streaming(client: Client) -> None:
    messages = list(client.gives("Count")(b"2000 100", timeout=PATIENCE))
    assert messages == [bytes([i % 251]) * 100 for i in range(2000)]
    assert list(client.gives("Count")(b"0 0", timeout=PATIENCE)) == []


def test_client_streaming(client: Client) -> None:
    assert client.takes("Total")((b"x" * 1000 for _ in range(2000)), timeout=PATIENCE) == b"2000 2000000"
    assert client.takes("Total")(iter([]), timeout=PATIENCE) == b"0 0"


def test_both_directions_take_turns(client: Client) -> None:
    mine = Messages()
    answers = client.both("Chat")(iter(mine), timeout=PATIENCE)
    for i in range(50):
        mine.send(f"message {i}".encode())
        assert next(answers) == f"message {i}".encode()
    mine.send(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def test_an_answer_before_the_messages_are_over(client: Client) -> None:
    mine = Messages()
    call = client.takes("Early").future(iter(mine), timeout=PATIENCE)
    mine.send(b"first")
    assert call.result() == b"first"
    mine.send(None)


def test_large_messages(client: Client) -> None:
    large = bytes(i % 251 for i in range(1 << 20)) * 16
    assert client.unary("Echo")(large, timeout=PATIENCE) == large


def test_many_calls_at_a_time(client: Client) -> None:
    def call(i: int) -> bool:
        text = str(i).encode() * 1000
        return client.unary("Echo")(text, timeout=PATIENCE) == text

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(400)))


def test_deadline(client: Client) -> None:
    for seconds in (1, 4, 16, 32):
        name = f"deadline {client.service} {seconds}".encode()
        call = client.gives("Wait")(name, timeout=seconds)
        try:
            left = float(next(call))
        except grpc.RpcError:
            assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            continue  # it was over before the server had the call
        assert 0 < left < 2 * seconds  # it is rounded up on its way, and told by another clock
        with pytest.raises(grpc.RpcError):
            next(call)
        assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert client.unary("Over")(name, timeout=PATIENCE) == b"True"
        return
    raise AssertionError("no call came to the server before its deadline")


def test_the_server_hears_of_calls_that_are_cancelled(client: Client) -> None:
    mine = Messages()
    bystander = client.both("Chat")(iter(mine), timeout=PATIENCE)
    for i in range(30):
        name = f"cancelled {client.service} {i}".encode()
        call = client.gives("Wait")(name, timeout=PATIENCE)
        next(call)
        call.cancel()
        assert call.code() == grpc.StatusCode.CANCELLED
        assert client.unary("Over")(name, timeout=PATIENCE) == b"True"
    mine.send(b"still there")
    assert next(bystander) == b"still there"
    mine.send(None)
    assert list(bystander) == []


def test_a_status_without_a_message(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.unary("Fail")(b"", timeout=PATIENCE)
    error = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not like this: 100 % ü")
    assert ("x-why-bin", b"\x00\xff") in tuple(error.trailing_metadata())
    with pytest.raises(grpc.RpcError) as caught:
        client.unary("NoSuchMethod")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_status_after_messages(client: Client) -> None:
    call = client.gives("FailLate")(b"", timeout=PATIENCE)
    assert [next(call), next(call)] == [b"one", b"two"]
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code(), call.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "no more of it")


def test_no_such_service(house: Server) -> None:
    with rpc.channel(house, False) as made, pytest.raises(grpc.RpcError) as caught:
        Client(made, "no.Such").unary("Echo")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_server_that_dies() -> None:
    with folder() as path, folder() as here, ExitStack() as ends:
        rpc.certificate(here)
        server, _ = rpc.peer(path, f"unix:{path}/s")
        ends.callback(server.stop)
        house = rpc.house(here, f'[[routes]]\nproxy = ["h2c://unix:{path}/s"]\nmax_fails = -1\n')
        ends.callback(house.stop)
        with rpc.channel(house, False) as made:
            client = Client(made, "any.Test")
            call = client.gives("Die")(bytes(path / "told"), timeout=PATIENCE)
            assert [next(call), next(call)] == [b"one", b"two"]
            (path / "told").touch()
            with pytest.raises(grpc.RpcError):
                next(call)
            assert call.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
            with pytest.raises(grpc.RpcError) as caught:
                client.unary("Echo")(b"", timeout=PATIENCE)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            server.stop()
            (path / "log").unlink()
            server, _ = rpc.peer(path, f"unix:{path}/s")
            ends.callback(server.stop)
            assert client.unary("Echo")(b"again", timeout=PATIENCE) == b"again"
        assert house.stop() == 0, house.log


def test_a_call_may_pause() -> None:
    """Whoever says nothing in a call for a while is no slow client."""
    with folder() as path, folder() as here, ExitStack() as ends:
        rpc.certificate(here)
        server, ports = rpc.peer(path, "127.0.0.1:0")
        ends.callback(server.stop)
        slow = 'min_rate_grace = "200ms"\nmin_rate = 1000000\n'
        house = rpc.house(here, f'{slow}[[routes]]\nproxy = ["h2c://127.0.0.1:{ports[0]}"]\n')
        ends.callback(house.stop)
        with rpc.channel(house, False) as made:
            client, mine = Client(made, "any.Test"), Messages()
            sums = client.takes("Total").future(iter(mine), timeout=PATIENCE)
            talk = Messages()
            answers = client.both("Chat")(iter(talk), timeout=PATIENCE)
            for i in range(3):
                mine.send(b"x")
                talk.send(b"%d" % i)
                assert next(answers) == b"%d" % i
                time.sleep(1)
            talk.send(None)
            assert list(answers) == []
            mine.send(None)
            assert sums.result() == b"3 3"
        assert house.stop() == 0, house.log
