"""The Linode account that a VM lies in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import pulumi
import pulumi_linode as linode
from pulumi.output import UNKNOWN

from components.machine.linode_account import Account, AccountError


@dataclass(frozen=True, kw_only=True)
class CloudArgs:
    """Which account, and what for."""

    token: pulumi.Output[str] | None
    """`None`: a preview only."""
    api_url: str
    scopes: frozenset[str]
    """What the token has to allow next to the machine."""


class Cloud(pulumi.ComponentResource):
    """A Linode account, looked at before anything is made in it. A preview needs neither token nor network."""

    provider: linode.Provider

    def __init__(self, name: str, args: CloudArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Cloud", name, None, opts)
        self._account: pulumi.Output[Account | None] = pulumi.Output.from_input(args.token).apply(
            lambda token: Account(token=token, url=args.api_url) if token else None
        )

        async def allowed(account: Account | None) -> object:
            if account is None:
                # A provider that does not know its token asks nobody.
                return UNKNOWN
            if pulumi.runtime.is_dry_run():
                return account.token
            await account.check(args.scopes)
            return account.token

        # Every object of the account hangs on it, so none is made before the account was looked at.
        token: pulumi.Output[str] = self._account.apply(cast(Callable[[Account | None], Awaitable[str]], allowed))
        self.provider = linode.Provider(
            f"{name}-linode", token=token, url=args.api_url, opts=pulumi.ResourceOptions(parent=self)
        )
        self.register_outputs({})

    def zone_id(self, zone: str) -> pulumi.Output[int]:
        """Number of a DNS zone that the account has; not known in a preview without a token.

        Not a function of the provider: those fail in a preview that has no token.
        """

        async def found(account: Account | None) -> object:
            try:
                return await account.zone_id(zone) if account else UNKNOWN
            except AccountError as error:
                if not pulumi.runtime.is_dry_run():
                    raise
                pulumi.log.warn(str(error), self)
                return UNKNOWN

        number: pulumi.Output[int] = self._account.apply(cast(Callable[[Account | None], Awaitable[int]], found))
        return pulumi.Output.unsecret(number)
