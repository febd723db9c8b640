"""Stand-in for the resource plugin `random`: values from the system's generator, made once and kept."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterable
from typing import ClassVar

from offline.plugins.provider import PluginError, Props, Resource, StandIn
from offline.plugins.wire import serve

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
# Class of characters, the property that asks for it, the one that sets how many there are at least.
_CLASSES = (
    (string.ascii_lowercase, "lower", "minLower"),
    (string.ascii_uppercase, "upper", "minUpper"),
    (string.digits, "numeric", "minNumeric"),
    (_SPECIAL, "special", "minSpecial"),
)


class RandomString(Resource[None]):
    resource_type = "random:index/randomString:RandomString"
    args = "pulumi_random:RandomStringArgs"
    implemented = frozenset({"keepers", "length", "number", "overrideSpecial"}) | {
        name for _, *names in _CLASSES for name in names
    }
    replace = implemented

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs.get("number", True) != inputs.get("numeric", inputs.get("number", True)):
            yield "number", "'number' is the old name of 'numeric': give only one of them"
        counts = [inputs.get(name, 0) for name in ("length", *(least for _, _, least in _CLASSES))]
        if all(isinstance(count, int) for count in counts):
            length, *least = counts
            if length < 1:
                yield "length", "must be at least 1"
            elif length < sum(least):
                yield "length", f"must be at least {sum(least)}, the sum of the min… properties"

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        settings = {"numeric": inputs.get("number", True), **inputs}
        alphabet, chosen = "", []
        for characters, wanted, least in _CLASSES:
            if wanted == "special":
                characters = settings.get("overrideSpecial") or characters
            chosen += [secrets.choice(characters) for _ in range(settings.get(least, 0))]
            alphabet += characters if settings.get(wanted, True) else ""
        if not alphabet:
            raise PluginError("lower, upper, numeric and special are all off: nothing is left to choose from")
        chosen += [secrets.choice(alphabet) for _ in range(settings["length"] - len(chosen))]
        secrets.SystemRandom().shuffle(chosen)
        outputs: Props = {wanted: settings.get(wanted, True) for _, wanted, _ in _CLASSES}
        outputs |= {least: settings.get(least, 0) for _, _, least in _CLASSES}
        outputs |= {"number": outputs["numeric"], "result": "".join(chosen)}
        return outputs["result"], outputs


class RandomPassword(RandomString):
    resource_type = "random:index/randomPassword:RandomPassword"
    args = "pulumi_random:RandomPasswordArgs"
    secret_outputs = frozenset({"result"})

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        _, outputs = super().create(client, inputs)
        return "none", outputs  # an id is never secret


class RandomBytes(Resource[None]):
    resource_type = "random:index/randomBytes:RandomBytes"
    args = "pulumi_random:RandomBytesArgs"
    implemented = replace = frozenset({"keepers", "length"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset({"base64", "hex"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if isinstance(inputs["length"], int) and inputs["length"] < 1:
            yield "length", "must be at least 1"

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        value = secrets.token_bytes(inputs["length"])
        return "none", {"base64": base64.b64encode(value).decode(), "hex": value.hex()}


class RandomId(Resource[None]):
    resource_type = "random:index/randomId:RandomId"
    args = "pulumi_random:RandomIdArgs"
    implemented = replace = frozenset({"byteLength", "keepers", "prefix"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if isinstance(inputs["byteLength"], int) and inputs["byteLength"] < 1:
            yield "byteLength", "must be at least 1"

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        value = secrets.token_bytes(inputs["byteLength"])
        url = base64.urlsafe_b64encode(value).decode().rstrip("=")
        forms = {
            "b64Std": base64.b64encode(value).decode(),
            "b64Url": url,
            "dec": str(int.from_bytes(value, "big")),
            "hex": value.hex(),
        }
        return url, {name: inputs.get("prefix", "") + text for name, text in forms.items()}


def plugin() -> StandIn[None]:
    return StandIn("random", [RandomString(), RandomPassword(), RandomBytes(), RandomId()], lambda _: None)


if __name__ == "__main__":
    serve(plugin())
