"""Combinations of settings under which the program is tested."""

import functools
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.certificates import signed
from tests.program.harness import ROOT, VM_ADDRESS, Deployment, run_program, stack_config
from tests.saml_metadata import metadata

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm"
SERVER_HOST = "pacs-1.example.org"
DUCK_HOST = "my-lab.duckdns.org"
PROVIDED = signed("a hospital's", covers=("127.0.0.1", "192.0.2.10", "pacs.example.org", DUCK_HOST))
ENVIRONMENT = {"LINODE_TOKEN": "S3cret.of-the-account"}
DIGEST = "sha256:" + "0123456789abcdef" * 4

FACTORS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "archive": {
        "orthanc": {"archive": "orthanc"},
        "dcm4chee": {"archive": "dcm4chee"},
        "orthanc-configured": {"archive": "orthanc", "archiveMemory": 512, "aeTitle": "WARD"},
        "orthanc-with-rights": {
            "archive": "orthanc",
            "rights": {
                "groups": ["radiology", "trial-7"],
                "unrestricted": ["reporter"],
                "rules": [{"when": {"ClinicalTrialProtocolID": "T-7*"}, "labels": ["trial-7"]}],
            },
        },
        "orthanc-with-its-index-elsewhere": {
            "archive": "orthanc",
            "database": {
                "host": "db.example.org",
                "caCertificate": PROVIDED.pem,
                "keycloak": {"name": "keycloak", "user": "kc", "password": "S3cret.of-keycloak"},
                "archive": {"name": "pacs", "user": "pacs", "password": "S3cret.of-the-index"},
            },
        },
        "dcm4chee-configured": {
            "archive": "dcm4chee",
            "archiveMemory": 3000,
            "aeTitle": "WARD",
            "dcm4chee": {"deviceName": "ward-arc"},
        },
    },
    "dicom": {
        "no-dicom": {},
        "dicom": {"dicom": {"enabled": True, "callers": ["CT1", "MR_2"], "networks": ["10.1.0.0/16"]}},
        "dicom-tls": {
            "dicom": {
                "enabled": True,
                "port": 2762,
                "callers": ["CT1"],
                "networks": ["anywhere"],
                "tls": {
                    "certificate": "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
                    "key": "-----BEGIN PRIVATE KEY-----\nS3cret.of-the-gateway\n-----END PRIVATE KEY-----\n",
                    "clientCa": "-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n",
                },
            }
        },
    },
    "machine": {
        "local": {},
        "server": {
            "target": "server",
            "server": {"address": f"ssh://deploy@{SERVER_HOST}:2222", "hostKey": KEY},
            "adminNetworks": ["192.0.2.0/24"],
        },
        "linode": {
            "target": "linode",
            "vm": {"region": "eu-central"},
            "ssh": {"publicKey": f"{KEY} m.curie@desk"},
            "adminNetworks": ["192.0.2.0/24", "2001:db8::/48"],
        },
    },
    "endpoint": {
        "unnamed": {},
        "named": {
            "host": "pacs.example.org",
            "port": 8480,
            "bindAddress": "192.0.2.10",
            "adminNetworks": ["10.1.0.0/16", "2001:db8::/32"],
        },
        "anywhere": {"host": "192.0.2.10", "bindAddress": "0.0.0.0", "adminNetworks": ["anywhere"]},
    },
    "proxy": {
        "no-proxy": {},
        "forwarded-for": {
            "host": "pacs.example.org",
            "adminNetworks": ["10.1.0.0/16", "2001:db8::/32"],
            "proxy": {"trusted": ["10.0.0.0/29", "127.0.0.0/8"], "hops": 2},
        },
        "proxy-protocol": {
            "host": "pacs.example.org",
            "adminNetworks": ["10.1.0.0/16", "2001:db8::/32"],
            "proxy": {
                "trusted": ["10.0.0.0/29", "2001:db8:5::/64"],
                "protocol": "proxyProtocol",
                "port": 8443,
                "caCertificate": signed("a load balancer's").pem,
            },
        },
    },
    "tls": {
        "http": {},
        "letsencrypt": {"tls": "letsencrypt", "acme": {"email": "it@example.org"}},
        "private-ca": {
            "tls": "letsencrypt",
            "acme": {
                "email": "it@example.org",
                "server": "https://ca.example.org:14000/dir",
                "caCertificate": signed("a hospital's authority").pem,
            },
        },
        "provided": {"tls": "provided", "tlsCertificate": PROVIDED.pem, "tlsKey": PROVIDED.key_pem},
    },
    "dns": {
        "no-records": {},
        "zone": {"dns": "linode", "host": "pacs.example.org", "linodeDns": {"zone": "example.org"}},
        "new-zone": {
            "dns": "linode",
            "host": "pacs.example.org",
            "linodeDns": {"zone": "example.org", "new": True, "email": "it@example.org"},
        },
        "duckdns": {"dns": "duckdns", "host": DUCK_HOST, "duckDns": {"token": "S3cret.of-duckdns"}},
    },
    "viewer": {
        "viewer-as-it-is": {},
        "viewer-changed": {
            "viewer": {
                "name": "St. Mary's",
                "logo": "data:image/png;base64,iVBORw0KGgo=",
                "hiddenModes": ["@ohif/mode-tmtv"],
                "options": {"showStudyList": False, "customizationService": ["a.module", {"a": {"$set": 1}}]},
                "frameAncestors": ["https://ris.example.org"],
            }
        },
    },
    "audit": {
        "container-log": {},
        "audit-volume": {"auditDays": 400},
        "log-server": {
            "auditDays": 400,
            "logs": {
                "host": "logs.example.org",
                "port": 601,
                "caCertificate": signed("a hospital's log server").pem,
                "localPort": 5515,
            },
        },
    },
    "mfa": {choice: {"mfa": choice} for choice in ("off", "optional", "administrators", "required")},
    "passwords": {
        "usual-passwords": {},
        "strict-passwords": {
            "passwordRules": {"length": 16, "digits": 1, "upperCase": 1, "maximumAgeDays": 180, "temporary": True}
        },
    },
    "mail": {
        "no-mail": {},
        "mail": {"smtp": {"host": "mail.example.org", "from": "pacs@example.org"}},
        "mail-login": {
            "smtp": {
                "host": "mail.example.org",
                "from": "pacs@example.org",
                "port": 25,
                "startTls": False,
                "user": "pacs",
                "password": "S3cret.of-the-mail-server",
            }
        },
    },
    "backup": {
        "no-backup": {},
        "folder": {"backup": {"repository": "/srv/backup", "times": ["02:30", "14:30"], "keepMonthly": 0}},
        "s3": {
            "backup": {
                "repository": "s3:https://s3.example.org/backups/pacs",
                "accessKey": "pacs",
                "secretKey": "S3cret.of-the-bucket",
                "caCertificate": signed("a hospital's store").pem,
            }
        },
        "sftp": {
            "backup": {
                "repository": "sftp://pacs@backup.example.org:2222//pacs",
                "sshKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nS3cret.of-sftp\n-----END OPENSSH PRIVATE KEY-----\n",
                "hostKey": KEY,
            }
        },
    },
    "directory": {
        "no-directory": {},
        "active-directory": {
            "directory": {
                "kind": "activeDirectory",
                "url": "ldaps://dc1.example.org",
                "caCertificate": signed("a hospital's directory").pem,
                "bindDn": "CN=pacs,OU=Services,DC=example,DC=org",
                "bindPassword": "S3cret.of-the-directory",
                "usersDn": "OU=Staff,DC=example,DC=org",
                "userFilter": "(department=radiology)",
                "groupsDn": "OU=Groups,DC=example,DC=org",
                "groups": {"Radiologists (CT*)": ["viewer", "reporter"], "PACS": ["pacsadmin"], "Ward 3": []},
            }
        },
        "ldap": {
            "directory": {
                "kind": "ldap",
                "url": "ldap://ldap.example.org:3890",
                "startTls": True,
                "bindDn": "cn=pacs,dc=example,dc=org",
                "bindPassword": "S3cret.of-the-directory",
                "usersDn": "ou=people,dc=example,dc=org",
            }
        },
    },
    "providers": {
        "no-providers": {},
        "providers": {
            "loginProviders": [
                {
                    "name": "entra",
                    "label": "Hospital account",
                    "issuer": "https://login.microsoftonline.com/01234567-89ab-cdef-0123-456789abcdef/v2.0",
                    "clientId": "pacs",
                    "clientSecret": "S3cret.of-entra",
                    "groups": {"radiologists": ["viewer", "reporter"], "pacs": ["pacsadmin"]},
                },
                {
                    "name": "partner",
                    "issuer": "https://login.example.org/",
                    "authorizationUrl": "https://login.example.org/authorize",
                    "tokenUrl": "https://login.example.org/token",
                    "keysUrl": "https://login.example.org/keys",
                    "clientId": "pacs",
                    "clientSecret": "S3cret.of-the-partner",
                    "claim": "roles",
                    "caCertificate": signed("a partner's authority").pem,
                },
                {
                    "name": "university",
                    "metadata": metadata(certificates=2),
                    "attribute": "memberOf",
                    "usernameAttribute": "uid",
                    "groups": {"radiologists": ["viewer"]},
                },
            ]
        },
        "saml": {"loginProviders": [{"name": "university", "metadata": metadata()}]},
    },
    "data": {"protected": {"protectData": True}, "unprotected": {"protectData": False}},
    "images": {
        "public": {},
        "mirror": {
            "images": {
                "gateway": f"registry.example.org:5000/nginx@{DIGEST}",
                "keycloak": {"name": "registry.example.org/keycloak:26.7.3", "optimized": True},
            }
        },
    },
    "users": {
        "nobody": {"users": []},
        "guide": {
            "users": [{"name": "viewer", "roles": ["viewer"]}, {"name": "pacsadmin", "roles": ["pacsadmin"]}],
        },
        "ward": {
            "users": [
                {"name": "m.curie@example.org", "roles": ["viewer", "reporter"], "email": "m.curie@example.org"},
                {"name": "norole", "firstName": "No", "lastName": "Role"},
                {"name": "all", "roles": ["pacsadmin", "reporter", "viewer"]},
            ],
            "programs": [
                {"name": "triage", "roles": ["viewer", "reporter"]},
                {"name": "idle", "roles": []},
                {"name": "command-line", "forUsers": True},
            ],
        },
    },
}


COUPLED = ("machine", "endpoint", "tls", "dns")
"""Factors of which not every combination makes sense."""

Item = tuple[str, str]
"""A factor and one of its choices."""


def merged(items: Iterable[Item]) -> dict[str, Any]:
    """The configuration that these choices make; where two say something, the later factor's counts."""
    chosen = dict(items)
    parts = (FACTORS[factor][chosen[factor]] for factor in FACTORS if factor in chosen)
    return {key: value for part in parts for key, value in part.items()}


def fits(items: Iterable[Item]) -> bool:
    """Whether choices of the coupled factors make sense together: in other words what settings/ refuses."""
    chosen, actual = dict(items), merged(items)
    host = actual.get("host") or (SERVER_HOST if chosen["machine"] == "server" else "")
    named = host.endswith(".org")
    reached = chosen["machine"] != "local" or "bindAddress" in actual
    if chosen["dns"] in ("zone", "new-zone") and chosen["machine"] != "linode":
        return False
    match chosen["tls"]:
        case "letsencrypt":
            return named and reached and "port" not in actual
        case "private-ca":
            return named
        case "provided":
            return "host" in actual or chosen["machine"] == "local"
    return True


@dataclass(frozen=True)
class Case:
    """One choice for each factor."""

    choices: tuple[Item, ...]

    def __str__(self) -> str:
        return "+".join(choice for _, choice in self.choices)

    def chose(self, *choices: str) -> bool:
        """Whether one of these is among its choices."""
        return any(choice in choices for _, choice in self.choices)

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """The configuration that the choices make."""
        return merged(self.choices)

    @property
    def archive(self) -> str:
        """The archive that runs."""
        kind: str = self.config["archive"]
        return kind

    @property
    def databases(self) -> set[str]:
        """Host names of the database servers that the stack runs."""
        return set() if "database" in self.config else {"keycloak-db", f"{self.archive}-db"}

    @property
    def databases_elsewhere(self) -> set[str]:
        """Names of the networks by which services reach databases that others run."""
        return {f"ohif-dev-{it}-external-db" for it in ("keycloak", "orthanc")} if "database" in self.config else set()

    @property
    def machine(self) -> str:
        """The kind of machine that it runs on."""
        return dict(self.choices)["machine"]

    @property
    def tls(self) -> bool:
        """Whether the gateway itself speaks HTTPS."""
        return not self.chose("http")

    @property
    def secure(self) -> bool:
        """Whether browsers come by HTTPS."""
        return self.tls or "proxy" in self.config

    @property
    def issued(self) -> bool:
        """Whether an authority issues the certificate."""
        return self.chose("letsencrypt", "private-ca")

    @property
    def dumped(self) -> frozenset[str]:
        """The services that a backup wants dumps of."""
        of_archive = {"orthanc": {"orthanc-db"}, "dcm4chee": {"dcm4chee-db", "dcm4chee-ldap"}}
        return frozenset() if self.chose("no-backup") else frozenset({"keycloak-db", *of_archive[self.archive]})

    @property
    def host(self) -> str:
        """What a browser calls it."""
        own = {"local": "127.0.0.1", "server": SERVER_HOST, "linode": VM_ADDRESS}
        return str(self.config.get("host") or own[self.machine])

    @property
    def origin(self) -> str:
        """What a browser calls it, in full."""
        port = self.config.get("port", 80)
        if "proxy" in self.config and "port" in self.config["proxy"]:
            return f"https://{self.host}:{self.config['proxy']['port']}"
        if self.secure:
            return f"https://{self.host}"
        return f"http://{self.host}" if port == 80 else f"http://{self.host}:{port}"

    @property
    def bound(self) -> tuple[str, ...]:
        """Addresses on which the gateway listens."""
        if "bindAddress" in self.config:
            return (self.config["bindAddress"],)
        usual = {"local": ("127.0.0.1",), "server": ("0.0.0.0",), "linode": ("0.0.0.0", "::")}
        return usual[self.machine]

    @property
    def ports(self) -> list[int]:
        """Ports on which it listens."""
        dicom = [self.config["dicom"].get("port", 11112)] if "dicom" in self.config else []
        return [self.config.get("port", 80), *([443] if self.tls else []), *dicom]


def pairs(items: Iterable[Item]) -> set[frozenset[Item]]:
    """Every two of these choices."""
    return {frozenset(pair) for pair in itertools.combinations(items, 2)}


SLOTS: Mapping[str, Sequence[tuple[Item, ...]]] = {
    "coupled": [
        items
        for choices in itertools.product(*(FACTORS[factor] for factor in COUPLED))
        if fits(items := tuple(zip(COUPLED, choices, strict=True)))
    ],
    **{factor: [((factor, choice),) for choice in FACTORS[factor]] for factor in FACTORS if factor not in COUPLED},
}
"""What is chosen at once: what the coupled factors allow, and each other factor by itself."""


def case_of(options: Iterable[tuple[Item, ...]]) -> Case:
    """A case of one option for each slot."""
    chosen = dict(item for option in options for item in option)
    return Case(tuple((factor, chosen[factor]) for factor in FACTORS))


def every_case() -> list[Case]:
    """The whole product."""
    return [case_of(options) for options in itertools.product(*SLOTS.values())]


def pairwise_cases() -> list[Case]:
    """A choice, always the same, of cases in which every two choices that fit meet at least once."""
    left = {pair for option in SLOTS["coupled"] for pair in pairs(option)}
    for one, other in itertools.combinations(SLOTS.values(), 2):
        left |= {frozenset((a, b)) for x in one for y in other for a in x for b in y}
    found: list[Case] = []
    while left:
        # One pair that is left is given; the rest is chosen so that many others are met too.
        given = min(left, key=sorted)
        chosen: list[tuple[Item, ...]] = []
        for options in sorted(SLOTS.values(), key=lambda options: -max(len(given.intersection(it)) for it in options)):
            most = max(len(given.intersection(it)) for it in options)
            chosen.append(
                max(
                    (it for it in options if len(given.intersection(it)) == most),
                    key=lambda it: len(pairs([*itertools.chain(*chosen), *it]) & left),
                )
            )
        found.append(case_of(chosen))
        left -= pairs(found[-1].choices)
    return found


CASES = every_case() if os.environ.get("ALL_COMBINATIONS") == "1" else pairwise_cases()
"""The whole product takes hours and is for those who doubt: ALL_COMBINATIONS=1."""


@functools.cache
def deploy(case: Case) -> Deployment:
    """What the program asks for in this case."""
    return run_program(case.config, environment=ENVIRONMENT)


PROD = stack_config(ROOT / "Pulumi.prod.yaml")


def prod(**config: Any) -> Deployment:
    """What the program asks for by Pulumi.prod.yaml, with other values for some of its keys."""
    return run_program({**PROD, **config}, stack="prod", environment=ENVIRONMENT)
