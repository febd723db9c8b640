"""The name server of the rehearsal: what the account's zones say at this moment, and the world's own names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from dnslib import AAAA, CAA, CNAME, PTR, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSServer

from tests.rehearsal.linode_api import Account

CAA_CRITICAL = 0


class Names(BaseResolver):  # type: ignore[misc] # dnslib has no types
    """Answers at once from the account; `own` are names of the world, `DuckDNS` adds to them."""

    def __init__(self, account: Account) -> None:
        self.own: dict[str, dict[str, str]] = {}
        """Addresses by name and type (`A`, `AAAA`)."""
        self.asked: list[tuple[str, str]] = []
        """Names and types that were asked for."""
        self._account = account
        self._upstream = machine_resolver()

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        """The answer to one question."""
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        reply = request.reply()
        ours = self._account.zone_of(name) or name in self.own or name.endswith((".in-addr.arpa", ".test"))
        if not ours:
            return self._forwarded(request)
        exists = False
        for entry_kind, ttl, data in self._entries(name):
            exists = True
            if entry_kind in (kind, "CNAME"):
                reply.add_answer(RR(request.q.qname, getattr(QTYPE, entry_kind), ttl=ttl, rdata=data))
        if not exists:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply

    def addresses(self, name: str) -> list[str]:
        """The addresses of one of our names, IPv4 first; none for any other."""
        own = list(self.own.get(name, {}).values())
        return own or [*self._account.look_up(name, "A"), *self._account.look_up(name, "AAAA")]

    def _entries(self, name: str) -> Iterable[tuple[str, int, object]]:
        for kind, address in self.own.get(name, {}).items():
            yield kind, 1, (A if kind == "A" else AAAA)(address)
        for record in self._account.find(name):
            kind, target = record["type"], record["target"]
            # Short-lived, whatever the record says: a rehearsal waits for no cache.
            if kind in ("A", "AAAA"):
                yield kind, 1, (A if kind == "A" else AAAA)(target)
            elif kind == "CAA":
                yield kind, 1, CAA(CAA_CRITICAL, record["tag"], target)
            elif kind == "CNAME":
                yield kind, 1, CNAME(target)
        if name.endswith(".in-addr.arpa"):
            address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
            if address in self._account.addresses:
                yield "PTR", 1, PTR(self._account.addresses[address]["rdns"])

    def _forwarded(self, request: DNSRecord) -> DNSRecord:
        with contextlib.suppress(OSError, ValueError):
            if self._upstream:
                return DNSRecord.parse(request.send(self._upstream, 53, timeout=2))
        reply = request.reply()
        reply.header.rcode = RCODE.NXDOMAIN
        return reply


def machine_resolver() -> str | None:
    """The name server that this machine asks."""
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and ":" not in words[1]:
            return words[1]
    return None


def serve(names: Names, address: str) -> list[DNSServer]:
    """Serves on port 53 of this address, UDP and TCP; `stop()` ends each."""
    servers = [DNSServer(names, address=address, port=53, tcp=tcp, logger=_Quiet()) for tcp in (False, True)]
    for server in servers:
        server.start_thread()
    return servers


class _Quiet:
    """A logger of dnslib that keeps silent."""

    def __getattr__(self, name: str) -> object:
        return lambda *arguments, **named: None
