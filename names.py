"""Names of the stack's objects that the tools look for: Docker names and labels, secrets, the remembered archive.

The program gives these names and the tools in `tools/` search for them, so both import them from here.
"""

from collections.abc import Mapping

PROJECT = "ohif"
"""The project's name in Pulumi.yaml."""

PROJECT_LABEL = "org.ohif.project"
STACK_LABEL = "org.ohif.stack"

ARCHIVE_CHOICE_TYPE = f"{PROJECT}:index:ArchiveChoice"
"""Type token of the component that keeps the archive's kind in the state."""
DATABASE_MAJORS = "databases"
"""Its input with the databases' major versions, by key of their images."""
WRITERS = "writers"
"""Its input with the versions of the other images that have written the data, by key."""
OWN_DATABASE_TYPE = f"{PROJECT}:index:Database"
"""Type token of the component that runs a PostgreSQL server for one service."""
PLACES = "places"
"""Its input: where the data are, by the key of the setting that says so."""
OWN_PLACE, SERVER_PLACE, NO_PLACE = "own volume", "server", "none yet"
"""In it: on a volume of the stack's own (also where nothing is said), on a server that others run, and nowhere, after
`make recover`."""
ARCHIVE_COMPONENT = "archive"
"""Name of the component that runs the archive, whatever its kind."""

SECRETS_COMPONENT = "secrets"
"""Name of the component that generates all secrets; it starts the name of each."""
USER_SECRET_PREFIX = "user-"  # noqa: S105 - the start of a name
"""Start of the names of users' passwords, after the component's name."""

PROGRAM_SECRET_PREFIX = "program-"  # noqa: S105 - the start of a name
"""Start of the names of programs' secrets, after the component's name."""


def docker_name(project: str, stack: str, thing: str) -> str:
    """The name of a container, network or volume."""
    return f"{project}-{stack}-{thing}"


def docker_labels(project: str, stack: str) -> Mapping[str, str]:
    """The labels on all Docker objects of a stack."""
    return {PROJECT_LABEL: project, STACK_LABEL: stack}


def user_secret(user: str) -> str:
    """The name of a user's generated password, after the component's name."""
    return f"{USER_SECRET_PREFIX}{user}"


def program_secret(program: str) -> str:
    """The name of a program's generated secret, after the component's name."""
    return f"{PROGRAM_SECRET_PREFIX}{program}"


def former_archive_problem(before: str, now: str) -> str:
    """Why a stack with studies in one archive does not start another one."""
    return f"the studies of this stack are in {before}; {now} would start without them"


def former_archive_fix(before: str) -> str:
    """How to keep the former archive or to confirm the change."""
    return (
        f"Set ohif:archive back to {before}, or, if that is what you want, ohif:confirmArchiveSwitch to true "
        "(docs/how-to/change-the-archive.md). Nothing was changed."
    )
