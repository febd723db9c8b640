"""Stand-in for the resource plugin `random`: values from the generator of the system, created once and kept."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterable
from typing import ClassVar

from offline.plugins.provider import StandIn
from offline.plugins.resource import Props, Resource
from offline.plugins.wire import serve

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
# Class of characters, the property for the least number of them, and the output that reports whether they are used.
_CLASSES = (
    (string.ascii_lowercase, "minLower", "lower"),
    (string.ascii_uppercase, "minUpper", "upper"),
    (string.digits, "minNumeric", "numeric"),
)


class RandomPassword(Resource[None]):
    resource_type = "random:index/randomPassword:RandomPassword"
    args = "pulumi_random:RandomPasswordArgs"
    implemented = replace = frozenset({"length", "special", *(least for _, least, _ in _CLASSES)})
    secret_outputs = frozenset({"result"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        counts = [inputs.get(name, 0) for name in ("length", *(least for _, least, _ in _CLASSES))]
        if all(isinstance(count, int) for count in counts):
            length, *least = counts
            if length < 1:
                yield "length", "must be at least 1"
            elif length < sum(least):
                yield "length", f"must be at least {sum(least)}, the sum of the min… properties"

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        special = inputs.get("special", True)
        alphabet = "".join(characters for characters, _, _ in _CLASSES) + (_SPECIAL if special else "")
        chosen = [secrets.choice(characters) for characters, least, _ in _CLASSES for _ in range(inputs.get(least, 0))]
        chosen += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(chosen))]
        secrets.SystemRandom().shuffle(chosen)
        outputs: Props = {used: True for _, _, used in _CLASSES} | {"number": True, "special": special}
        outputs |= {least: inputs.get(least, 0) for _, least, _ in _CLASSES} | {"minSpecial": 0}
        # The id is not the value, because an id is never secret.
        return "none", outputs | {"result": "".join(chosen)}


class RandomBytes(Resource[None]):
    resource_type = "random:index/randomBytes:RandomBytes"
    args = "pulumi_random:RandomBytesArgs"
    implemented = replace = frozenset({"length"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset({"base64", "hex"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if isinstance(inputs["length"], int) and inputs["length"] < 1:
            yield "length", "must be at least 1"

    def create(self, client: None, inputs: Props) -> tuple[str, Props]:
        value = secrets.token_bytes(inputs["length"])
        return "none", {"base64": base64.b64encode(value).decode(), "hex": value.hex()}


def plugin() -> StandIn[None]:
    return StandIn("random", [RandomPassword(), RandomBytes()], lambda _: None)


if __name__ == "__main__":
    serve(plugin())
