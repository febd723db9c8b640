"""Gets the gateway's certificate, renews it, and writes it where the gateway reads it.

Runs certbot by webroot (HTTP-01), so the gateway must answer on port 80. What the CA issued stays on the volume: a new
container asks for nothing that it has. Before the CA is asked, the name must point to this machine, as a CA counts
failures (Let's Encrypt, "Rate Limits": 5 failed validations per host name and hour).

    (no argument)    run until stopped
    check            exit code 0 if the served certificate is valid for some more days
    wait             wait for the first certificate, trying again at once if the last try failed; prints why not
    renew            renew now, regardless of the age
"""

import datetime
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import certifi
from served_certificate import ServedCertificate

DOMAIN = os.environ["DOMAIN"]
DIRECTORY = os.environ["ACME_DIRECTORY"]
EMAIL = os.environ["ACME_EMAIL"]
EXPECTED = frozenset(os.environ.get("EXPECTED_ADDRESSES", "").split())
DNS_TIMEOUT = int(os.environ.get("DNS_PATIENCE", "0"))  # glossary: allow

HOME = Path("/etc/letsencrypt")
CERTIFICATE = ServedCertificate(HOME, DOMAIN)
STATE = Path("/tmp/state.json")
AGAIN = Path("/tmp/again")
OWN_AUTHORITY = Path("/run/ca.pem")
BUNDLE = Path("/tmp/authorities.pem")

HOUR = 3600
LOOK_EVERY = 12 * HOUR
"""Twice a day, as certbot's documentation asks for; it renews when a third of the life is left."""
FIRST_PAUSE = 180
LONGEST_PAUSE = 6 * HOUR
UNREACHED_PAUSE = 30
WORRY_DAYS = 7


class NotYetError(Exception):
    """Why there is no certificate."""


class NotAskedError(NotYetError):
    """The authority was not asked, so it counted nothing."""


def say(event: str, **fields: object) -> None:
    """One line of JSON in the container's log."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    print(json.dumps({"time": now, "event": event, "domain": DOMAIN, **fields}), flush=True)


def good() -> bool:
    """Whether the served certificate is far enough from its end."""
    left = CERTIFICATE.days_left
    return left > 0 and left > min(WORRY_DAYS, CERTIFICATE.life_days / 4)


def addresses() -> set[str]:
    """What the name resolves to from here."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(DOMAIN, 80, proto=socket.IPPROTO_TCP)}
    except OSError:
        return set()


def look_at_name(timeout: float) -> None:
    """The name must point here, and only here."""
    if not EXPECTED:
        return
    until = time.monotonic() + timeout
    while True:
        found = addresses()
        if found and found <= EXPECTED:
            return
        if time.monotonic() >= until:
            break
        time.sleep(5)
    says = f"resolves to {', '.join(sorted(found))}" if found else "does not resolve"
    raise NotAskedError(
        f"{DOMAIN} {says}, and should to {' and '.join(sorted(EXPECTED))}. Set its A and AAAA records so; "
        "the certification authority was not asked yet."
    )


def trust() -> None:
    """Trust the private authority too, if there is one, besides those that everybody trusts."""
    if not OWN_AUTHORITY.exists():
        return
    BUNDLE.write_text(Path(certifi.where()).read_text() + "\n" + OWN_AUTHORITY.read_text())
    # certbot's way and Python's.
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(BUNDLE)


def from_another_authority() -> bool:
    """Whether the kept certificate is not of the authority that is asked now: of its staging environment, say."""
    try:
        kept = (HOME / "renewal" / f"{DOMAIN}.conf").read_text()
    except OSError:
        return False
    return f"server = {DIRECTORY}" not in kept.splitlines()


def look_at_authority() -> None:
    """A CA that does not answer counts nothing, so it is asked again soon."""
    try:
        with urllib.request.urlopen(DIRECTORY, timeout=20):
            return
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NotAskedError(f"The certification authority at {DIRECTORY} does not answer: {reason}.") from error


def certbot(*options: str) -> None:
    """Ask for a certificate; certbot itself decides whether one is due."""
    webroot = HOME / "webroot"
    webroot.mkdir(mode=0o755, exist_ok=True)
    command = [
        "certbot", "certonly", "--webroot", "--webroot-path", str(webroot), "--non-interactive", "--agree-tos",
        "--no-eff-email", "--email", EMAIL, "--server", DIRECTORY, "--cert-name", DOMAIN, "--domain", DOMAIN,
        "--config-dir", str(HOME), "--work-dir", "/tmp/certbot", "--logs-dir", "/tmp/certbot/log",
        "--max-log-backups", "1", "--key-type", "ecdsa", *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        detail = next((line for line in lines if line.startswith("Detail:")), lines[-1] if lines else "no reason given")
        raise NotYetError(f"The certification authority refused: {detail.removeprefix('Detail: ')}")


def lay_out() -> None:
    """Serve the newest certificate."""
    if CERTIFICATE.lay_out():
        say("certificate served", serial=f"{CERTIFICATE.serial:x}", days=round(CERTIFICATE.days_left))


def once(*options: str) -> None:
    """Make sure that a certificate is there and not near its end."""
    look_at_name(DNS_TIMEOUT if not CERTIFICATE.file.exists() else 0)
    look_at_authority()
    certbot(*(options or ["--force-renewal" if from_another_authority() else "--keep-until-expiring"]))
    lay_out()


def note(**state: object) -> None:
    """For `check` and `wait`, which are other processes."""
    STATE.write_text(json.dumps(state))


def run() -> None:
    """Run until stopped."""
    # Readable for the gateway's group, for nobody else.
    os.umask(0o027)
    trust()
    os.chown(HOME, -1, os.getgid())
    HOME.chmod(0o750)
    if CERTIFICATE.is_issued:
        lay_out()
    failures = 0
    while True:
        note(state="working")
        try:
            once()
        except (NotYetError, OSError, subprocess.SubprocessError) as problem:
            if isinstance(problem, NotAskedError) and CERTIFICATE.days_left <= 0:
                # The operator who waits for the first one is fixing it.
                pause: float = UNREACHED_PAUSE
            else:
                pause = min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE)
                failures += 1
            left = round(CERTIFICATE.days_left)
            say("no new certificate", reason=str(problem), days_left=left, next_try_in_seconds=pause)
            note(state="failed", reason=str(problem))
        else:
            failures = 0
            # Not all the world at the same minute.
            pause = min(LOOK_EVERY, CERTIFICATE.life_days * 24 * HOUR / 6) * random.uniform(0.8, 1.0)
            note(state="done")
        until = time.time() + pause
        while time.time() < until and not AGAIN.exists():
            time.sleep(1)
        AGAIN.unlink(missing_ok=True)


def last_state() -> dict[str, str]:
    """The last note."""
    try:
        return dict(json.loads(STATE.read_text()))
    except (OSError, ValueError):
        return {"state": "working"}


def wait() -> int:
    """Wait for a verdict, after another try if the last one failed."""
    if CERTIFICATE.days_left > 0 and not from_another_authority():
        return 0
    if last_state()["state"] == "failed":
        note(state="working")
        AGAIN.touch()
    while (now := last_state())["state"] == "working":
        time.sleep(0.5)
    if CERTIFICATE.days_left > 0 and not from_another_authority():
        return 0
    print(now.get("reason", "no certificate"))
    return 1


def check() -> int:
    """For the container's healthcheck: a renewal that fails shows here before the certificate ends."""
    if good():
        return 0
    print(last_state().get("reason", "there is no certificate yet"))
    return 1


def main(arguments: list[str]) -> int:
    """Do what the command line asks for."""
    match arguments:
        case []:
            run()
        case ["check"]:
            return check()
        case ["wait"]:
            return wait()
        case ["renew"]:
            os.umask(0o027)
            trust()
            try:
                once("--force-renewal")
            except NotYetError as problem:
                print(problem)
                return 1
            return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
