"""Where backups go, when they are made, and which are kept."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import pulumi

from settings import parsing
from settings.model.backup import Backup, Keep, LinodeBucket, S3Access, SftpAccess
from settings.model.machine import LocalMachine, Server, Vm
from settings.parsing import ConfigurationError
from settings.tls import certificates

FIELDS = frozenset(
    {"repository", "region", "accessKey", "secretKey", "sshKey", "hostKey", "caCertificate", "times", "keepDaily"}
    | {"keepWeekly", "keepMonthly", "mailTo", "paused"}
)
AT_LINODE = "linode"
"""In place of an address: the program makes the bucket."""
REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
HOST_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]{40,}={0,2}")
PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\n.+", re.DOTALL)
SHORTEST_BUCKET = 3
"""Amazon S3 User Guide, "General purpose bucket naming rules"; restic's S3 client holds to it."""
ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
KEPT = {"keepDaily": 7, "keepWeekly": 5, "keepMonthly": 12}
"""By default."""


def backup(config: pulumi.Config, machine: LocalMachine | Server | Vm, *, mails: bool) -> Backup | None:
    """Where backups go; `None`: the stack makes none. `mails`: whether there is a mail server."""
    entry = parsing.fields(config, "backup", FIELDS)
    if not entry:
        return None
    names = ("repository", "region", "accessKey", "secretKey", "sshKey", "hostKey", "caCertificate")
    text = {name: parsing.text("backup", entry, name) for name in names}
    repository, authority = text.pop("repository"), text.pop("caCertificate")
    if not repository:
        raise ConfigurationError("backup", "needs repository: a folder, sftp://…, s3:https://… or linode.")
    access = _access(repository, text, machine)
    if authority is not None:
        if not isinstance(access, S3Access | LinodeBucket):
            raise ConfigurationError("backup.caCertificate", "has an effect with s3: and linode only; remove it.")
        certificates("backup.caCertificate", authority)
    return Backup(
        repository=repository,
        access=access,
        ca_certificate=authority,
        times=_times(entry.get("times", ["02:30"])),
        keep=_keep(entry),
        mail_to=_mail_to(entry.get("mailTo", []), mails=mails),
        paused=_paused(entry.get("paused", False)),
    )


def _mail_to(values: object, *, mails: bool) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ConfigurationError("backup.mailTo", "must be a list of mail addresses.")
    for value in values:
        if not isinstance(value, str) or not ADDRESS.fullmatch(value):
            raise ConfigurationError("backup.mailTo", f"{value!r} is not a mail address such as it@example.org.")
    if values and not mails:
        raise ConfigurationError("backup.mailTo", "needs a mail server; set smtp.")
    return tuple(values)


def _paused(value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError("backup.paused", "must be true or false.")
    return value


def _access(
    repository: str, text: Mapping[str, str | None], machine: LocalMachine | Server | Vm
) -> S3Access | SftpAccess | LinodeBucket | None:
    if repository == AT_LINODE:
        if not isinstance(machine, Vm):
            raise ConfigurationError("backup.repository", "linode needs target linode; name a bucket: s3:https://…")
        (name,) = _only(text, "region")
        return LinodeBucket(region=_region(name))
    if repository.startswith("s3:"):
        _check_address("s3:", repository.removeprefix("s3:"), "https", "http")
        if len(urlsplit(repository.removeprefix("s3:")).path.split("/")[1]) < SHORTEST_BUCKET:
            raise ConfigurationError(
                "backup.repository", f"the bucket's name has {SHORTEST_BUCKET} characters or more."
            )
        access_key, secret_key = _only(text, "accessKey", "secretKey", optional="region")
        region = _region(text["region"]) if text["region"] else None
        return S3Access(access_key=access_key, secret_key=pulumi.Output.secret(secret_key), region=region)
    if repository.startswith("sftp:"):
        _check_address("", repository, "sftp")
        private_key, host_key = _only(text, "sshKey", "hostKey")
        if not HOST_KEY.fullmatch(host_key):
            raise ConfigurationError(
                "backup.hostKey", "is not a host key such as `ssh-ed25519 AAAA…`; ssh-keyscan shows the server's."
            )
        if not PRIVATE_KEY.match(private_key):
            raise ConfigurationError("backup.sshKey", "is not a private key in PEM, as ssh-keygen writes it.")
        return SftpAccess(private_key=pulumi.Output.secret(f"{private_key.strip()}\n"), host_key=host_key)
    if not parsing.FOLDER.fullmatch(repository):
        raise ConfigurationError(
            "backup.repository",
            f"{repository!r} is neither a folder from the root on, nor sftp://user@host/path, nor linode, "
            "nor s3:https://host/bucket",
        )
    _only(text)
    return None


def _region(name: str) -> str:
    if not REGION.fullmatch(name):
        raise ConfigurationError("backup.region", f"{name!r} is not a region such as nl-ams or us-east-1.")
    return name


def _check_address(prefix: str, address: str, *schemes: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0 and parts.path.strip("/")
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\?#]", address) or (parts.password is not None):
        wanted = "sftp://user@host:22//path" if "sftp" in schemes else "s3:https://host/bucket"
        raise ConfigurationError("backup.repository", f"{prefix}{address!r} is not an address like {wanted}")


def _only(text: Mapping[str, str | None], *wanted: str, optional: str = "") -> list[str]:
    """The wanted values; all others but the optional one must be missing."""
    known = (*wanted, optional)
    if superfluous := [name for name, value in text.items() if value is not None and name not in known]:
        raise ConfigurationError(f"backup.{superfluous[0]}", "has no effect with this repository; remove it.")
    if missing := [name for name in wanted if text[name] is None]:
        raise ConfigurationError("backup", f"needs {', '.join(missing)} for this repository.")
    return [str(text[name]) for name in wanted]


def _times(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not 1 <= len(values) <= 24:
        raise ConfigurationError("backup.times", "must be a list of 1 to 24 times of the day (UTC), such as 02:30.")
    found: set[int] = set()
    for value in values:
        match = TIME.fullmatch(str(value))
        if not match:
            raise ConfigurationError("backup.times", f"{value!r} is not a time of the day such as 02:30, in quotes.")
        found.add(int(match[1]) * 60 + int(match[2]))
    return tuple(sorted(found))


def _keep(entry: Mapping[str, object]) -> Keep:
    numbers = {
        name: parsing.whole_number(f"backup.{name}", entry.get(name, default), at_least=0, at_most=1000)
        for name, default in KEPT.items()
    }
    if not any(numbers.values()):
        raise ConfigurationError("backup", "keeps no backup; set keepDaily, keepWeekly or keepMonthly above 0.")
    return Keep(daily=numbers["keepDaily"], weekly=numbers["keepWeekly"], monthly=numbers["keepMonthly"])
