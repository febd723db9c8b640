"""Tells DuckDNS this machine's addresses every five minutes; `check` says whether it took them the last time.

Source: DuckDNS, "Specification": the answer is OK or KO, and never why.
"""

import http.client
import os
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

EVERY = 300
AFTER_A_FAILURE = 60
STALE = 3 * EVERY
TAKEN = Path("/tmp/taken")
TOKEN = Path("/run/duckdns-token")


def update() -> str:
    """Tell the addresses once; the answer is empty when they were taken."""
    query = {"domains": os.environ["DUCKDNS_DOMAIN"], "token": TOKEN.read_text().strip()}
    addresses = os.environ.get("ADDRESSES", "").split()
    # Without an address DuckDNS takes the one that asks.
    query["ip"] = next((address for address in addresses if ":" not in address), "")
    if ipv6 := next((address for address in addresses if ":" in address), ""):
        query["ipv6"] = ipv6
    try:
        with urllib.request.urlopen(
            f"{os.environ['DUCKDNS_SERVER']}/update?{urllib.parse.urlencode(query)}", timeout=30
        ) as answer:
            return "" if answer.read(16).startswith(b"OK") else "DuckDNS refuses: is the token this domain's?"
    except (OSError, http.client.HTTPException) as error:
        return f"DuckDNS does not answer: {error}"


def main() -> int:
    """Run until stopped, or check."""
    if sys.argv[1:] == ["check"]:
        fresh = TAKEN.exists() and time.time() - TAKEN.stat().st_mtime < STALE
        print("ok" if fresh else "DuckDNS has not taken the address")
        return 0 if fresh else 1
    while True:
        problem = update()
        if problem:
            print(problem, flush=True)
        else:
            TAKEN.touch()
        time.sleep(AFTER_A_FAILURE if problem else EVERY)


if __name__ == "__main__":
    sys.exit(main())
