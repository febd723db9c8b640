"""Makes the database of a service where the settings want it."""

from dataclasses import dataclass

import pulumi

from components.containers.stack_context import StackContext
from components.database.external import ExternalDatabase, ExternalDatabaseArgs
from components.database.interface import Database
from components.database.own import OwnDatabase, OwnDatabaseArgs
from settings import DatabaseLogin, DatabaseServer


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """Whose database, and where."""

    stack: StackContext
    owner: str
    """The service that uses it."""
    password: pulumi.Output[str] | None
    """Of the stack's own server, if it runs one."""
    server: DatabaseServer | None
    """`None`: the stack's own."""
    login: DatabaseLogin | None


def make_database(name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions) -> Database:
    """The database of one service."""
    if args.server and args.login:
        external = ExternalDatabaseArgs(stack=args.stack, owner=args.owner, server=args.server, login=args.login)
        return ExternalDatabase(name, external, opts)
    assert args.password is not None  # noqa: S101 - components/secrets.py makes it
    return OwnDatabase(name, OwnDatabaseArgs(stack=args.stack, owner=args.owner, password=args.password), opts)
