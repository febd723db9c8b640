"""Clients that hold what they can: run in a container next to the stack, so from an address of their own.

`python floods.py KIND HOST PORT AUTHORITY COUNT SECONDS [COOKIE] [PATH]` opens connections of one kind for some
seconds, and prints how many it held at the end. It needs nothing but Python.
"""

from __future__ import annotations

import socket
import sys
import time

FIELD = "X-Filler: " + "a" * 7800 + "\r\n"


def beginning(kind: str, authority: str, cookie: str, path: str) -> bytes:
    """What is sent on each connection at once."""
    fields = f"Host: {authority}\r\nCookie: {cookie}\r\n"
    if kind == "headers":
        return f"GET /healthz HTTP/1.1\r\n{fields}{FIELD}X-Rest: {'b' * 7000}".encode()
    if kind == "lines":
        return f"GET /healthz HTTP/1.1\r\n{fields}".encode() + b"a:\r\n" * 3000
    if kind == "bodies":
        form = (
            "Content-Type: multipart/related; type=application/dicom; boundary=x\r\nContent-Length: 100000000\r\n\r\n"
        )
        return f"POST {path} HTTP/1.1\r\n{fields}{form}".encode() + bytes(15_000)
    return f"GET {path} HTTP/1.1\r\n{fields}Accept: */*\r\n\r\n".encode()


def connected(host: str, port: int, data: bytes, kind: str) -> socket.socket | None:
    """A connection on which the bytes were sent, as far as the other side took them."""
    connection = socket.socket()
    connection.settimeout(2)
    try:
        if kind == "readers":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, port))
        connection.setblocking(False)
        connection.send(data)
    except OSError:
        connection.close()
        return None
    return connection


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has not closed it; an answer, such as a refusal, may come before the end."""
    try:
        while connection.recv(1 << 20):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(
    kind: str, host: str, port: str, authority: str, count: str, seconds: str, cookie: str = "", path: str = "/"
) -> None:
    data = beginning(kind, authority, cookie, path)
    held: list[socket.socket] = []
    opened, ends = 0, time.monotonic() + float(seconds)
    while time.monotonic() < ends:
        if opened < int(count):
            opened += 1
            if connection := connected(host, int(port), data, kind):
                held.append(connection)
        else:
            time.sleep(0.2)
        if kind == "bodies" and opened % 50 == 0:
            for connection in held:
                try:
                    connection.send(b"\0")
                except OSError:
                    continue
    print(opened, sum(map(is_open, held)))


if __name__ == "__main__":
    main(*sys.argv[1:])
