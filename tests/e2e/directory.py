"""A real OpenLDAP with a few users and groups, in a container next to the stack."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from tests.certificates import Certificate, signed
from tests.e2e.containers import put

IMAGES = ("ohif-offline/dcm4chee-ldap", "dcm4che/slapd-dcm4chee")
"""Images of the stack's own with OpenLDAP from Debian; nothing of DCM4chee is used."""
HOST = "ldap.example.org"
BASE = "dc=example,dc=org"
BIND_DN, BIND_PASSWORD = f"cn=pacs,{BASE}", "a-password-of-the-directory"
PASSWORD = "a-password-of-a-user"
USERS_DN, GROUPS_DN = f"ou=people,{BASE}", f"ou=groups,{BASE}"

USERS: Mapping[str, str] = {
    "curie": "curie@example.org",
    "meitner": "meitner@example.org",
    "hahn": "hahn@example.org",
    "viewer": "other-viewer@example.org",
    "first-twin": "twin@example.org",
    "second-twin": "twin@example.org",
}
"""Mail addresses by name. One has the name of a user of the stack's configuration, two have the same address."""
GROUPS: Mapping[str, Sequence[str]] = {
    "radiologists": ["curie", "first-twin", "second-twin"],
    "Referring (CT*)": ["meitner"],
    "porters": ["hahn", "curie"],
}

START = """\
set -e
mkdir -p /ldap/config /ldap/data
slapadd -n 0 -F /ldap/config -l /ldap/config.ldif
slapadd -n 1 -F /ldap/config -l /ldap/content.ldif
exec slapd -F /ldap/config -h 'ldap:/// ldaps:///' -d none
"""


def config() -> str:
    """`cn=config` of the server: three schemas, TLS, and a database that only the bind user may read."""
    return textwrap.dedent(f"""\
        dn: cn=config
        objectClass: olcGlobal
        cn: config
        olcTLSCertificateFile: /ldap/server.pem
        olcTLSCertificateKeyFile: /ldap/server.key

        dn: cn=module,cn=config
        objectClass: olcModuleList
        cn: module
        olcModulePath: /usr/lib/ldap
        olcModuleLoad: back_mdb

        dn: cn=schema,cn=config
        objectClass: olcSchemaConfig
        cn: schema

        include: file:///etc/ldap/schema/core.ldif

        include: file:///etc/ldap/schema/cosine.ldif

        include: file:///etc/ldap/schema/inetorgperson.ldif

        dn: olcDatabase=mdb,cn=config
        objectClass: olcDatabaseConfig
        objectClass: olcMdbConfig
        olcDatabase: mdb
        olcSuffix: {BASE}
        olcRootDN: cn=root,{BASE}
        olcRootPW: {BIND_PASSWORD}
        olcDbDirectory: /ldap/data
        olcAccess: to attrs=userPassword by anonymous auth by * none
        olcAccess: to * by dn.exact="{BIND_DN}" read by * none
        """)


def content() -> str:
    """The directory's entries."""
    entries = [f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example"]
    entries += [f"dn: {dn}\nobjectClass: organizationalUnit" for dn in (USERS_DN, GROUPS_DN)]
    entries.append(
        f"dn: {BIND_DN}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: pacs\n"
        f"userPassword: {BIND_PASSWORD}"
    )
    entries += [
        f"dn: uid={name},{USERS_DN}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name.title()}\n"
        f"givenName: {name.title()}\nmail: {mail}\nuserPassword: {PASSWORD}"
        for name, mail in USERS.items()
    ]
    entries += [
        f"dn: cn={name},{GROUPS_DN}\nobjectClass: groupOfNames\n"
        + "\n".join(f"member: uid={member},{USERS_DN}" for member in members)
        for name, members in GROUPS.items()
    ]
    return "\n\n".join(entries) + "\n"


@dataclass(frozen=True)
class OpenLdap:
    """The server, and its certificate's authority."""

    container: Container
    authority: Certificate

    def modify(self, ldif: str) -> None:
        """Change entries, as the directory's administrator."""
        self._tool("ldapmodify", ldif)

    def leave(self, user: str, group: str) -> None:
        """Take a user out of a group."""
        self.modify(f"dn: cn={group},{GROUPS_DN}\nchangetype: modify\ndelete: member\nmember: uid={user},{USERS_DN}\n")

    def remove(self, user: str) -> None:
        """Delete a user."""
        self.modify(f"dn: uid={user},{USERS_DN}\nchangetype: delete\n")

    def _tool(self, tool: str, ldif: str) -> None:
        put(self.container, {"ldap/change.ldif": ldif})
        command = [
            tool,
            "-H",
            "ldap://127.0.0.1",
            "-x",
            "-D",
            f"cn=root,{BASE}",
            "-w",
            BIND_PASSWORD,
            "-f",
            "/ldap/change.ldif",
        ]
        code, output = self.container.exec_run(command)
        assert code == 0, output


@contextmanager
def open_ldap(engine: docker.DockerClient, network: str) -> Iterator[OpenLdap]:
    """The server on one of the engine's networks, under the name `HOST`."""
    tags = [tag for image in engine.images.list() for tag in image.tags]
    image = next(tag for prefix in IMAGES for tag in tags if tag.startswith(prefix))
    authority = signed("the directory's authority", covers=())
    server = signed(HOST, by=authority, covers=(HOST,))
    container = engine.containers.create(
        image,
        entrypoint=["/bin/bash", "-c", START],
        command=[],
        networking_config={network: engine.api.create_endpoint_config(aliases=[HOST])},
        network=network,
        mem_limit="128m",
    )
    try:
        files = {
            "ldap/config.ldif": config(),
            "ldap/content.ldif": content(),
            "ldap/server.pem": server.pem,
            "ldap/server.key": server.key_pem,
        }
        put(container, files)
        container.start()
        until = time.monotonic() + 20
        while b"slapd starting" not in container.logs():
            assert time.monotonic() < until, container.logs().decode()
            time.sleep(0.3)
        yield OpenLdap(container, authority)
    finally:
        container.remove(force=True)
