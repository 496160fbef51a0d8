"""What the front says of a TLS connection: JSON with the keys of the ASGI tls extension."""

from __future__ import annotations

import json
from typing import Any

# By their numbers, as OpenSSL calls them. Those of other numbers are shown as numbers.
_CIPHERS = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC009: "ECDHE-ECDSA-AES128-SHA",
    0xC00A: "ECDHE-ECDSA-AES256-SHA",
    0xC013: "ECDHE-RSA-AES128-SHA",
    0xC014: "ECDHE-RSA-AES256-SHA",
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256",
    0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305",
    0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305",
}
_PROTOCOLS = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


def extension(text: str) -> dict[str, Any]:
    """The ASGI tls extension. text is latin-1, as it came on the link."""
    tls: dict[str, Any] = json.loads(text.encode("latin-1"))
    # Requests share what was made of one text: none of them may change it.
    tls["client_cert_chain"] = tuple(tls.get("client_cert_chain") or ())
    return tls


def environ(text: str) -> dict[str, str]:
    """What WSGI applications are told, by the names of mod_ssl."""
    tls = extension(text)
    version, cipher, error = tls.get("tls_version"), tls.get("cipher_suite"), tls.get("client_cert_error")
    values = {"HTTPS": "on"}
    if version is not None:
        values["SSL_PROTOCOL"] = _PROTOCOLS.get(version, f"0x{version:04X}")
    if cipher is not None:
        values["SSL_CIPHER"] = _CIPHERS.get(cipher, f"0x{cipher:04X}")
    values["SSL_CLIENT_VERIFY"] = f"FAILED:{error}" if error else "SUCCESS" if tls["client_cert_chain"] else "NONE"
    if tls["client_cert_chain"]:
        values["SSL_CLIENT_CERT"] = tls["client_cert_chain"][0]
        values["SSL_CLIENT_S_DN"] = tls.get("client_cert_name") or ""
    return {name: value.encode().decode("latin-1") for name, value in values.items()}
