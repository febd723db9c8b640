"""HTTP as bytes: a client library would repair or refuse most of what an attacker sends."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in small letters."""
    body: bytes

    def header(self, name: str) -> str:
        """The header's first value; empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def everything(self) -> bytes:
        """Headers and body, to look for what must not be there."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode("latin-1") + b"\n" + self.body


def connect(url: str, seconds: float) -> socket.socket:
    """A connection on which no operation takes longer than `seconds`."""
    where = urlsplit(url)
    connection = socket.create_connection((str(where.hostname), where.port or 80), timeout=seconds)
    if where.scheme == "https":
        return ssl.create_default_context().wrap_socket(connection, server_hostname=where.hostname)
    return connection


def send(url: str, raw: bytes, *, ends: bool = True, seconds: float = 10) -> list[Answer]:
    """Sends the bytes and reads until the other side closes; every response that came, in order.

    A request that never `ends` is left once it has its first answer. TimeoutError if the other side neither closes
    nor says more within `seconds`.
    """
    with closing(connect(url, seconds)) as connection:
        received = bytearray()
        try:
            connection.sendall(raw)
            while part := connection.recv(1 << 16):
                received += part
                if not ends and _is_whole(received):
                    break
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            # It closed while we still had something to say; what it said before counts.
            pass
    answers = []
    rest = bytes(received)
    while rest:
        answer, rest = _first(rest, raw.startswith(b"HEAD "))
        if answer.status >= 200:
            answers.append(answer)
    return answers


def _is_whole(received: bytearray) -> bool:
    """Whether a response is there to its last byte."""
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return bool(separator and length and len(body) >= int(length[1]))


def _first(received: bytes, head_only: bool) -> tuple[Answer, bytes]:
    """The first response, and what comes after it."""
    head, separator, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not separator or not words[0].startswith("HTTP/1.") or len(words) < 2:
        raise AssertionError(f"not an HTTP response: {received[:200]!r}")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    named = dict(headers)
    status = int(words[1])
    if head_only or status < 200 or status in (204, 304):
        body = b""
    elif named.get("transfer-encoding") == "chunked":
        body, rest = _dechunk(rest)
    elif "content-length" in named:
        length = int(named["content-length"])
        body, rest = rest[:length], rest[length:]
    else:
        body, rest = rest, b""
    return Answer(status=status, headers=headers, body=body), rest


def _dechunk(rest: bytes) -> tuple[bytes, bytes]:
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return b"".join(chunks), rest.partition(b"\r\n")[2]
        chunks.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(chunks), b""
