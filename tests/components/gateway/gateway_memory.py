"""What the gateway's nginx may take of its container's memory at the most, computed from its file.

Each function is a term of the sum: what a process, a connection or a request allocates, as in nginx's sources (1.30),
at the limits that the file sets. The kernel's buffers of sockets are not in it (docs/explanation/security.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.components.gateway.gateway_file import Directive

KIB, MIB = 1024, 1024 * 1024
UNITS = {"k": KIB, "m": MIB}

PROCESSES = 64 * MIB
"""Master, workers with the parsed file, the shells of start.sh and of the healthcheck; twice the workers while nginx
reads its file again for a new certificate."""
SLOT = 232 + 2 * 96
"""A place for a connection, used or not: `ngx_connection_t` and two events."""
POOL = 4 * KIB
"""Pool of a request, of a stream of HTTP/2, of a session of `stream`, with what is in it apart from the buffers."""
HEADER_LINE = 56 + 32
"""A line of a request's header apart from its text: `ngx_table_elt_t` and its share of the list."""
TLS = 96 * KIB
"""OpenSSL's state of a connection, with a record being read and one being written."""
DEFLATE = 264 * KIB + 8 * KIB
"""zlib at its default window and memory level; less if the length of the answer is known and small."""
SCRIPT = 40 * KIB
"""njs's copy of the script for a request that waits (wait.js); measured with 384 and with 768 of them."""
DEFAULTS = {
    "client_body_buffer_size": 16 * KIB,
    "client_header_buffer_size": KIB,
    "http2_body_preread_size": 64 * KIB,
    "http2_recv_buffer_size": 256 * KIB,
    "max_headers": 1000,
    "proxy_buffer_size": 4 * KIB,
    "ssl_buffer_size": 16 * KIB,
    "http2_max_concurrent_streams": 128,
}
STREAM_DEFAULTS = {"proxy_buffer_size": 16 * KIB}


def in_bytes(size: str) -> int:
    """A size as nginx writes it."""
    return int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size)


def largest(block: Directive, name: str, defaults: Mapping[str, int] = DEFAULTS) -> int:
    """The largest value that a directive has anywhere in the block."""
    values = [in_bytes(it.args[-1]) for it in block.walk() if it.name == name]
    return max([*values, *([] if block.all(name) else [defaults[name]])])


def buffers(block: Directive, name: str) -> int:
    """The largest `number size` of a directive that has to be there."""
    return max(int(it.args[0]) * in_bytes(it.args[1]) for it in block.walk() if it.name == name)


def limit(server: Directive, zone: str) -> int:
    """A limit on what is there at once."""
    return int(server.pairs("limit_conn")[zone])


def zones(block: Directive) -> int:
    """Memory that the processes share."""
    sizes: Iterator[str] = (
        word.rpartition(":")[2]
        for it in block.walk()
        for word in it.args
        if word.startswith(("zone=", "keys_zone=", "shared:")) and ":" in word
    )
    upstreams = (it.args[1] for it in block.walk() if it.name == "zone")
    return sum(map(in_bytes, [*sizes, *upstreams]))


@dataclass(frozen=True)
class Sum:
    """The terms, for one rendered file."""

    file: Directive
    temporary: int
    """Size of what the container keeps in memory as files."""

    @property
    def http(self) -> Directive:
        (found,) = self.file.all("http")
        return found

    @property
    def stream(self) -> Directive:
        (found,) = self.file.all("stream")
        return found

    @property
    def workers(self) -> int:
        """A number, not `auto`: another machine has other processors, and the same limit of memory."""
        return int(self.file.value("worker_processes"))

    @property
    def slots(self) -> int:
        """Of one worker."""
        (events,) = self.file.all("events")
        return int(events.value("worker_connections"))

    @property
    def browsers(self) -> list[Directive]:
        """The servers of `stream` that hand connections on to `http`."""
        return [it for it in self.stream.all("server") if it.value("proxy_pass").startswith("unix:")]

    @property
    def modalities(self) -> list[Directive]:
        """The servers of `stream` for DICOM."""
        return [it for it in self.stream.all("server") if it not in self.browsers]

    @property
    def connections(self) -> int:
        """Of all browsers at once: the servers share the zone in which they are counted."""
        return max(limit(it, "connections") for it in self.browsers)

    @property
    def associations(self) -> int:
        return sum(limit(it, "associations") for it in self.modalities)

    @property
    def requests(self) -> int:
        """In progress at once, in all locations: the zone is the same."""
        return max(int(it.args[1]) for it in self.http.walk() if it.name == "limit_conn" and it.args[0] == "requests")

    @property
    def http2(self) -> bool:
        return self.http.values("http2") == [("on",)]

    def per_header(self) -> int:
        """A request whose header is being read, or is whole and refused. HTTP/2 has the same limits."""
        return POOL + in_bytes_of_header(self.http) + largest(self.http, "max_headers") * HEADER_LINE

    def per_connection(self) -> int:
        """A browser's connection with one request, or with HTTP/2 as many as it may have."""
        front = POOL + 2 * largest(self.stream, "proxy_buffer_size", STREAM_DEFAULTS)
        tls = TLS + largest(self.http, "ssl_buffer_size") if self.http2 else 0
        streams = largest(self.http, "http2_max_concurrent_streams") if self.http2 else 1
        return front + POOL + tls + streams * (SLOT + self.per_header())

    def per_request(self) -> int:
        """What a request in progress takes beyond its header: its body, both answers, and their compression."""
        body = largest(self.http, "client_body_buffer_size")
        preread = largest(self.http, "http2_body_preread_size") if self.http2 else 0
        answer = largest(self.http, "proxy_buffer_size")
        static = buffers(self.http, "output_buffers")
        proxied = answer + buffers(self.http, "proxy_buffers")
        compressed = DEFLATE + buffers(self.http, "gzip_buffers")
        return POOL + body + preread + max(static, proxied) + compressed + (POOL + answer) + SCRIPT

    def per_association(self) -> int:
        return POOL + TLS + 2 * largest(self.stream, "proxy_buffer_size", STREAM_DEFAULTS)

    def terms(self) -> dict[str, int]:
        """Bytes by what they are for."""
        receive = largest(self.http, "http2_recv_buffer_size") if self.http2 else 0
        return {
            "processes": PROCESSES,
            "places for connections": 2 * self.workers * (self.slots * SLOT + receive),
            "shared zones": zones(self.file),
            "files in memory": self.temporary,
            "connections": self.connections * self.per_connection(),
            "requests": self.requests * self.per_request(),
            "associations": self.associations * self.per_association(),
        }

    def places_needed(self) -> int:
        """Of one worker, if it had all connections: a client's, the two ends of the socket to `http`, and for each
        request the archive's and oauth2-proxy's; then the idle ones to the upstreams and the listening sockets."""
        idle = sum(int(it.args[0]) for block in self.http.all("upstream") for it in block.all("keepalive"))
        return 3 * self.connections + 2 * self.requests + 2 * self.associations + idle + 32


def in_bytes_of_header(http: Directive) -> int:
    """Buffers for the header of one request."""
    return largest(http, "client_header_buffer_size") + buffers(http, "large_client_header_buffers")
