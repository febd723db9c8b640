"""SSH: a key pair from a seed, and a client that takes this host key and no other."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.machine.ssh_config import SEED_BYTES, client_options, host_key

SEED = bytes(range(SEED_BYTES))
PUBLIC = host_key(SEED).public


def understood(*options: str) -> dict[str, list[str]]:
    """What `ssh` itself makes of the options, by their names in small letters."""
    actual = subprocess.run(
        ["ssh", "-G", "-F", "none", *options, "-p", "2222", "deploy@pacs.example.org"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = {}
    for line in actual.stdout.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found


def test_both_halves_belong_together() -> None:
    pair = host_key(SEED)
    private = serialization.load_pem_private_key(pair.private.encode(), password=None)
    public = serialization.load_ssh_public_key(pair.public.encode())
    assert isinstance(private, Ed25519PrivateKey)
    assert private.private_bytes_raw() == SEED
    assert private.public_key() == public
    assert pair.public.startswith("ssh-ed25519 ")
    assert len(pair.public.split()) == 2


def test_same_seed_same_text_and_another_seed_another_key() -> None:
    assert host_key(SEED) == host_key(SEED)
    assert host_key(SEED).public != host_key(bytes(SEED_BYTES)).public


@pytest.mark.parametrize("length", [0, SEED_BYTES - 1, SEED_BYTES + 1])
def test_seed_of_another_length_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        host_key(bytes(length))


def test_host_key_is_pinned_and_nothing_else_is_trusted() -> None:
    actual = understood(*client_options(PUBLIC, None))
    assert actual["stricthostkeychecking"] == ["true"]
    assert actual["userknownhostsfile"] == actual["globalknownhostsfile"] == ["/dev/null"]
    assert actual["knownhostscommand"] == [f"/bin/echo %H {PUBLIC}"]
    assert actual["batchmode"] == ["yes"]
    assert int(actual["connecttimeout"][0]) <= 30
    assert not [option for option in client_options(PUBLIC, None) if "accept-new" in option or option.endswith("=no")]


def test_key_of_ones_own_is_the_only_one_shown(tmp_path: Path) -> None:
    file = str(tmp_path / "my key")
    actual = understood(*client_options(PUBLIC, file))
    assert (actual["identityfile"], actual["identitiesonly"]) == ([file], ["yes"])
    assert understood(*client_options(PUBLIC, None))["identitiesonly"] == ["no"]
