"""Where the containers run: on this machine, on a server, on a VM that the program makes."""

import os
import re
from pathlib import Path

import pulumi

from settings import parsing
from settings.model.archive import ArchiveKind
from settings.model.machine import LocalMachine, Machine, Server, Target, Vm
from settings.parsing import ConfigurationError

LINODE_API = "https://api.linode.com"
MAKE_ONE = "Make one at cloud.linode.com under API Tokens"
SET_IT = "set it: pulumi config set --secret linode:token"
"""How to set the account's token."""

LINODE_TYPE = {ArchiveKind.ORTHANC: "g6-standard-2", ArchiveKind.DCM4CHEE: "g6-standard-4"}
"""Types with enough memory for all containers of a stack with that archive: 4 GB and 8 GB."""

VM_FIELDS = frozenset({"region", "type", "image", "volumeGb", "backups", "reservedAddress"})
SERVER_FIELDS = frozenset({"address", "hostKey", "ipv6"})
SSH_FIELDS = frozenset({"publicKey", "privateKeyFile"})

SSH_ADDRESS = re.compile(
    r"ssh://(?P<user>[a-z_][a-z0-9_-]{0,31})@(?P<host>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:(?P<port>[0-9]{1,5}))?"
)
PUBLIC_KEY = re.compile(
    r"(?P<key>(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/]{32,}={0,3})( [^\n]*)?\s*"
)
IMAGE = re.compile(r"linode/debian(1[3-9]|[2-9][0-9])|private/[0-9]{1,12}")
"""Others read the host key in another format, or have Docker in other packages (components/machine/cloud_init.py)."""
VOLUME_LABEL = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""Linode API, "Create a volume"."""
WORD = re.compile(r"[a-z0-9][a-z0-9._/-]{1,62}")


def machine(config: pulumi.Config, archive: ArchiveKind) -> Machine:
    """The machine of the stack's target. Settings of another target are refused: they would have no effect."""
    target = parsing.choice(config, "target", Target)
    vm = parsing.fields(config, "vm", VM_FIELDS)
    server = parsing.fields(config, "server", SERVER_FIELDS)
    ssh = parsing.fields(config, "ssh", SSH_FIELDS)
    remote = [Target.LINODE, Target.SERVER]
    for key, entry, of in (("vm", vm, [Target.LINODE]), ("server", server, [Target.SERVER]), ("ssh", ssh, remote)):
        if entry and target not in of:
            raise ConfigurationError(key, f"has no effect with target {target}; remove it.")
    match target:
        case Target.LOCAL:
            return LocalMachine()
        case Target.SERVER:
            return _server(server, _private_key_file(ssh))
        case Target.LINODE:
            return _vm(vm, ssh, archive)


def _server(entry: dict[str, object], private_key_file: str | None) -> Server:
    address, host_key = parsing.text("server", entry, "address"), parsing.text("server", entry, "hostKey")
    found = SSH_ADDRESS.fullmatch(address or "")
    if not found or not 1 <= int(found["port"] or 22) <= 65535:
        raise ConfigurationError("server", f"address {address!r} is not ssh://user@host or ssh://user@host:port.")
    if not host_key or not PUBLIC_KEY.fullmatch(host_key):
        raise ConfigurationError(
            "server",
            "needs hostKey, the server's own public key, so that nobody can stand in for it; on the server: "
            "cat /etc/ssh/ssh_host_ed25519_key.pub",
        )
    return Server(
        user=found["user"],
        address=found["host"],
        port=int(found["port"] or 22),
        host_key=_key_alone("server", host_key),
        ipv6=_flag("server", entry, "ipv6", False),
        private_key_file=private_key_file,
    )


def _vm(entry: dict[str, object], ssh: dict[str, object], archive: ArchiveKind) -> Vm:
    label = f"{pulumi.get_project()}-{pulumi.get_stack()}-data"
    if not VOLUME_LABEL.fullmatch(label):
        raise ConfigurationError(
            "target",
            f"linode takes no label {label}, which the stack's name makes; take a short stack name of a-z and -.",
        )
    region = parsing.text("vm", entry, "region")
    if not region:
        raise ConfigurationError("vm", "needs a region such as eu-central or us-east.")
    public_key = parsing.text("ssh", ssh, "publicKey")
    if not public_key:
        raise ConfigurationError(
            "ssh",
            "needs publicKey, the text of your public SSH key (cat ~/.ssh/id_ed25519.pub): the VM lets no other in.",
        )
    size = entry.get("volumeGb", 50)
    # Linode API, "Create a volume": 10 GB to 16 TB, by data center.
    if type(size) is not int or not 10 <= size <= 16384:
        raise ConfigurationError("vm", "volumeGb must be a whole number from 10 to 16384.")
    image = parsing.text("vm", entry, "image") or "linode/debian13"
    if not IMAGE.fullmatch(image):
        raise ConfigurationError(
            "vm",
            f"image {image!r} is not linode/debian13, a newer Debian, or an image of your own made of one (private/…).",
        )
    words = {
        "region": region,
        "type": parsing.text("vm", entry, "type") or LINODE_TYPE[archive],
        "image": image,
    }
    for field, word in words.items():
        if not WORD.fullmatch(word):
            raise ConfigurationError("vm", f"{field} {word!r} is not a name of Linode's.")
    linode = pulumi.Config("linode")
    return Vm(
        **words,
        volume_gb=size,
        backups=_flag("vm", entry, "backups", True),
        reserved_address=_flag("vm", entry, "reservedAddress", True),
        public_key=_key_alone("ssh", public_key),
        private_key_file=_private_key_file(ssh),
        token=_token(linode),
        api_url=linode.get("url") or os.environ.get("LINODE_URL") or LINODE_API,
    )


def _token(linode: pulumi.Config) -> pulumi.Output[str] | None:
    """The account's token; a preview does without."""
    token = linode.get("token") or os.environ.get("LINODE_TOKEN")
    if not token and not pulumi.runtime.is_dry_run():
        raise ConfigurationError("token", f"is missing. {MAKE_ONE} and {SET_IT}.", namespace="linode")
    return pulumi.Output.secret(token) if token else None


def _private_key_file(entry: dict[str, object]) -> str | None:
    """Where the private key is; it has to be there before anything is made, though not for a preview elsewhere."""
    path = parsing.text("ssh", entry, "privateKeyFile")
    if path and not pulumi.runtime.is_dry_run():
        try:
            Path(path).expanduser().open("rb").close()
        except (OSError, RuntimeError) as error:
            raise ConfigurationError("ssh", f"privateKeyFile {path} cannot be read: {error}.") from error
    return path


def _flag(key: str, entry: dict[str, object], field: str, default: bool) -> bool:
    value = entry.get(field, default)
    if not isinstance(value, bool):
        raise ConfigurationError(key, f"{field} must be true or false.")
    return value


def _key_alone(key: str, line: str) -> str:
    """Type and key without a comment, so that a changed comment changes nothing."""
    found = PUBLIC_KEY.fullmatch(line)
    if not found:
        # It is not repeated, as it may be the private one.
        raise ConfigurationError(key, "publicKey is not a public SSH key: one line such as ssh-ed25519 AAAA….")
    return found["key"]
