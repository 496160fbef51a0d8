"""A gRPC server and rickhouse before it, and what a client calls. It needs grpcio and cryptography."""

from __future__ import annotations

import datetime
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .servers import PATIENCE, SUITE, Server, addresses, rickhouse

OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.min_reconnect_backoff_ms", int(PATIENCE * 1000)),  # a slow machine is given as long to connect
)


def certificate(folder: Path) -> None:
    """Write cert.pem, of localhost for itself, and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    made = made.not_valid_after(now + datetime.timedelta(days=1))
    signed = made.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))


def peer(folder: Path, *arguments: object) -> tuple[Server, list[int]]:
    """Start the gRPC server; return it and its ports."""
    server = Server(folder, [sys.executable, SUITE / "fixtures" / "grpc_peer.py", *arguments])
    return server, [int(port) for port in server.wait_log(r"serving ([\d ]+)\n").group(1).split()]


def house(folder: Path, toml: str) -> Server:
    """Start rickhouse on a port with TLS and one without, before the upstreams that toml has routes for."""
    bind = 'bind = ["http://127.0.0.1:0", "127.0.0.1:0"]\ntls = "cert.pem,key.pem"\n'
    return rickhouse(folder, f'{bind}access_log = "off"\ncontrol_socket = "off"\n{toml}')


@contextmanager
def channel(server: Server, secure: bool) -> Iterator[grpc.Channel]:
    """Yield a channel to a rickhouse."""
    host, port = addresses(server)["https" if secure else "http"]
    if secure:
        credentials = grpc.ssl_channel_credentials((server.folder / "cert.pem").read_bytes())
        made = grpc.secure_channel(f"{host}:{port}", credentials, OPTIONS)
    else:
        made = grpc.insecure_channel(f"{host}:{port}", OPTIONS)
    with made:
        yield made


class Client:
    """The methods of one service, whose messages are octets."""

    def __init__(self, made: grpc.Channel, service: str) -> None:
        self.channel, self.service = made, service

    def unary(self, method: str) -> grpc.UnaryUnaryMultiCallable:
        """A method with a message in each direction."""
        return self.channel.unary_unary(f"/{self.service}/{method}")

    def gives(self, method: str) -> grpc.UnaryStreamMultiCallable:
        """A method that answers with messages."""
        return self.channel.unary_stream(f"/{self.service}/{method}")

    def takes(self, method: str) -> grpc.StreamUnaryMultiCallable:
        """A method that takes messages."""
        return self.channel.stream_unary(f"/{self.service}/{method}")

    def both(self, method: str) -> grpc.StreamStreamMultiCallable:
        """A method with messages in both directions."""
        return self.channel.stream_stream(f"/{self.service}/{method}")
