"""Configuration: what cannot be used is refused before anything is made, by the key's name and the fix."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

import settings
from images import DEFAULT_IMAGES
from public_endpoint import PublicEndpoint
from route import Role
from settings import ConfigurationError, Mfa, Settings
from settings import images as image_settings
from tests.certificates import signed
from tests.program.harness import ROOT, defaults, load_settings, project_config, run_program, stack_config
from tests.saml_metadata import metadata

STACK_FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("tests/*/Pulumi.*.yaml")])
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm"
BUCKET = {"bucket": "https://s3.example.org/pacs", "region": "eu", "accessKey": "a", "secretKey": "b"}
S3 = {"repository": "s3:https://host/bucket", "accessKey": "a", "secretKey": "b"}
SFTP = {
    "repository": "sftp://pacs@host:22//pacs",
    "sshKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nA\n-----END OPENSSH PRIVATE KEY-----\n",
    "hostKey": HOST_KEY,
}
PROXY = {"trusted": ["10.0.0.0/29"]}
LOGS = {"host": "logs.example.org", "caCertificate": signed("authority").pem}
LOGIN = {"name": "pacs", "user": "pacs", "password": "p"}
SERVER = {
    "host": "db.example.org",
    "caCertificate": signed("authority").pem,
    "keycloak": {"name": "k", "user": "k", "password": "p"},
    "archive": LOGIN,
}
SMTP = {"host": "mail.example.org", "from": "pacs@example.org"}


def load(environment: dict[str, str] | None = None, **config: Any) -> Settings:
    return load_settings(config, environment)


def user(**fields: Any) -> dict[str, Any]:
    return {"users": [{"name": "m.curie", "roles": ["viewer"], **fields}]}


def users(*names: str) -> dict[str, Any]:
    return {"users": [{"name": name} for name in names]}


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nB\n-----END EC PRIVATE KEY-----\n"


def dicom(**fields: Any) -> dict[str, Any]:
    return {"dicom": {"enabled": True, "callers": ["CT1"], "networks": ["10.1.0.0/16"], **fields}}


def directory(**fields: Any) -> dict[str, Any]:
    made = {
        "kind": "ldap",
        "url": "ldaps://ldap.example.org",
        "bindDn": "cn=pacs",
        "bindPassword": "secret",
        "usersDn": "ou=people",
        **fields,
    }
    return {"directory": {name: value for name, value in made.items() if value is not None}}


def provider(**fields: Any) -> dict[str, Any]:
    made = {
        "name": "entra",
        "issuer": "https://login.microsoftonline.com/01234567-89ab-cdef-0123-456789abcdef/v2.0",
        "clientId": "pacs",
        "clientSecret": "secret",
        **fields,
    }
    return {"loginProviders": [{name: value for name, value in made.items() if value is not None}]}


def saml(**fields: Any) -> dict[str, Any]:
    made = {"name": "partner", "metadata": metadata(), "attribute": "groups", **fields}
    return {"loginProviders": [{name: value for name, value in made.items() if value is not None}]}


RULE = {"when": {"Modality": "CT"}, "labels": ["radiology"]}


OPEN = {"host": "pacs.example.org", "bindAddress": "0.0.0.0", "adminNetworks": ["10.0.0.0/8"]}


def shares(**fields: Any) -> dict[str, Any]:
    return {"rights": {"shares": fields}}


def rights(**fields: Any) -> dict[str, Any]:
    return {"rights": {"groups": ["radiology"], **fields}}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # key that the message names, configuration, what the message says besides
    ("prot", {"prot": 80}, "did you mean port?"),
    ("adminnetworks", {"adminnetworks": []}, "did you mean adminNetworks?"),
    ("sessionidle", {"sessionidle": "5m"}, "did you mean sessionIdle?"),
    ("zzz", {"zzz": 1}, "known keys: accessTokenLife, acme, adminNetworks,"),
    ("target", {"target": "lokal"}, "local"),
    ("target", {"target": ""}, "local"),
    ("archive", {"archive": "Orthanc"}, "orthanc, dcm4chee"),
    ("archive", {"archive": "dicoogle"}, "orthanc, dcm4chee"),
    ("archiveMemory", {"archiveMemory": -1}, "between 0"),
    ("archiveMemory", {"archiveMemory": "2g"}, "whole number"),
    ("archiveMaximumGb", {"archiveMaximumGb": -1}, "between 0"),
    ("archiveMaximumGb", {"archive": "dcm4chee", "archiveMaximumGb": 5}, "no effect with dcm4chee"),
    ("defaultCharacterSet", {"defaultCharacterSet": "UTF-8"}, "is not one of ISO_IR 192"),
    ("defaultCharacterSet", {"archive": "dcm4chee", "defaultCharacterSet": "GB18030"}, "no effect with dcm4chee"),
    ("archiveMemory", {"archiveMemory": 255}, "256 at least"),
    ("archiveMemory", {"archive": "dcm4chee", "archiveMemory": 1535}, "1536 at least"),
    ("aeTitle", {"aeTitle": "A" * 17}, "1 to 16 letters"),
    ("aeTitle", {"aeTitle": "A B"}, "1 to 16 letters"),
    ("aeTitle", {"aeTitle": "A\\B"}, "1 to 16 letters"),
    ("aeTitle", {"aeTitle": "A/../B"}, "1 to 16 letters"),
    ("aeTitle", {"aeTitle": "A\n"}, "1 to 16 letters"),
    ("dcm4chee", {"dcm4chee": []}, "map"),
    ("dcm4chee", {"dcm4chee": {"aeTitle": "A"}}, "'aeTitle' is not known"),
    ("dcm4chee", {"dcm4chee": {"deviceName": "a,dc=b"}}, "deviceName"),
    ("dcm4chee", {"dcm4chee": {"deviceName": ""}}, "deviceName"),
    ("confirmArchiveSwitch", {"confirmArchiveSwitch": "yes"}, "true or false"),
    ("dicom", {"dicom": []}, "map"),
    ("dicom", dicom(hosts=["10.1.0.5"]), "'hosts' is not known"),
    ("dicom", dicom(enabled="yes"), "true or false"),
    ("dicom", dicom(port="104"), "1 to 65535"),
    ("dicom", dicom(port=0), "1 to 65535"),
    ("dicom", dicom(port=True), "1 to 65535"),
    ("dicom", {**dicom(port=8480), "port": 8480}, "browsers' already"),
    ("dicom", {"dicom": {"enabled": True, "networks": ["10.1.0.0/16"]}}, "callers is empty"),
    ("dicom", {"dicom": {"enabled": True, "callers": ["CT1"]}}, "networks is empty"),
    ("dicom", dicom(callers="CT1"), "callers must be a list"),
    ("dicom.callers", dicom(callers=["CT 1"]), "1 to 16 letters"),
    ("dicom.callers", dicom(callers=[1]), "1 to 16 letters"),
    ("dicom.callers", dicom(callers=[{"aeTitle": "CT1"}]), "1 to 16 letters"),
    ("dicom", dicom(callers=["CT1", "CT1"]), "twice"),
    ("dicom", dicom(networks="10.1.0.0/16"), "networks must be a list"),
    ("dicom", dicom(networks=["10.1.0.1/16"]), "192.0.2.0/24"),
    ("dicom", dicom(networks=[10]), "192.0.2.0/24"),
    ("dicom", dicom(networks=["0.0.0.0/0"]), "[anywhere]"),
    ("dicom", dicom(networks=["anywhere", "10.1.0.0/16"]), "192.0.2.0/24"),
    ("dicom.tls", dicom(tls=True), "map"),
    ("dicom.tls", dicom(tls={}), "certificate and key"),
    ("dicom.tls", dicom(tls={"certificate": CERTIFICATE}), "certificate and key"),
    ("dicom.tls", dicom(tls={"certificate": CERTIFICATE, "key": CERTIFICATE}), "private key in PEM"),
    ("dicom.tls", dicom(tls={"certificate": "/etc/tls.pem", "key": KEY}), "certificate in PEM"),
    ("dicom.tls", dicom(tls={"certificate": CERTIFICATE, "key": KEY, "clientCa": "none"}), "clientCa"),
    ("directory", {"directory": []}, "map"),
    ("directory", directory(host="ldap"), "'host' is not known"),
    ("directory", directory(bindPassword=None, usersDn=None), "needs bindPassword, usersDn"),
    ("directory.kind", directory(kind="ad"), "activeDirectory, ldap"),
    ("directory.kind", directory(kind=None), "activeDirectory, ldap"),
    ("directory.url", directory(url="ldap://ldap.example.org"), "use ldaps://, or ldap:// together with startTls"),
    ("directory.url", directory(startTls=True), "use ldaps://, or"),
    ("directory.url", directory(url="https://ldap.example.org"), "ldap:// or ldaps://"),
    ("directory.url", directory(url="ldaps://"), "ldap:// or ldaps://"),
    ("directory.url", directory(url="ldaps://a:1 ldaps://b"), "ldap:// or ldaps://"),
    ("directory.url", directory(url="ldaps://pacs:secret@ldap"), "ldap:// or ldaps://"),
    ("directory.caCertificate", directory(caCertificate="/etc/ca.pem"), "in PEM"),
    ("directory.userFilter", directory(userFilter="uid=*"), "in parentheses"),
    ("directory", directory(groups={"ct": ["viewer"]}), "needs groupsDn"),
    ("directory.groups", directory(groups=["ct"], groupsDn="ou=groups"), "map of groups"),
    ("directory.groups.ct", directory(groups={"ct": ["doctor"]}, groupsDn="ou=groups"), "'doctor' is not a role"),
    ("directory.groups.ct", directory(groups={"ct": "viewer"}, groupsDn="ou=groups"), "must be a list"),
    ("directory.groups", directory(groups={"a/b": []}, groupsDn="ou=groups"), "no slash"),
    ("loginProviders", {"loginProviders": {}}, "list"),
    ("loginProviders[0]", {"loginProviders": ["entra"]}, "map"),
    ("loginProviders[0]", provider(clientSecret=None), "needs clientSecret"),
    ("loginProviders[0]", provider(name="Entra ID"), "small letters"),
    ("loginProviders[1]", {"loginProviders": provider()["loginProviders"] * 2}, "two providers entra"),
    ("loginProviders[0]", provider(issuer="https://login.example.org"), "needs authorizationUrl, tokenUrl, keysUrl"),
    ("loginProviders[0]", provider(issuer="http://a/realms/b"), "needs authorizationUrl"),
    ("loginProviders[0].tokenUrl", provider(tokenUrl="http://login.example.org/"), "begins with https://"),
    ("loginProviders[0].groups.ct", provider(groups={"ct": ["doctor"]}), "'doctor' is not a role"),
    ("loginProviders[0].caCertificate", provider(caCertificate="ca"), "in PEM"),
    ("loginProviders[0]", saml(name="Partner"), "small letters"),
    ("loginProviders[0]", saml(issuer="https://login.example.org"), "issuer"),
    ("loginProviders[0]", saml(attribute=None, groups={"ct": ["viewer"]}), "needs attribute"),
    ("loginProviders[0].groups.ct", saml(groups={"ct": ["doctor"]}), "'doctor' is not a role"),
    ("loginProviders[0].metadata", saml(metadata="https://login.example.org/metadata"), "is not XML"),
    ("loginProviders[0].metadata", saml(metadata="<html/>"), "one EntityDescriptor"),
    ("loginProviders[0].metadata", saml(metadata=metadata(replaced=("IDPSSO", "SPSSO"))), "an IDPSSODescriptor"),
    ("loginProviders[0].metadata", saml(metadata=metadata(replaced=("entityID", "ID"))), "an entityID"),
    ("loginProviders[0].metadata", saml(metadata=metadata(binding="SOAP")), "binding HTTP-Redirect"),
    (
        "loginProviders[0].metadata",
        saml(metadata=metadata(sign_on="http://login.example.org/")),
        "begins with https://",
    ),
    ("loginProviders[0].metadata", saml(metadata=metadata(certificates=0)), "no signing certificate"),
    ("loginProviders[0].metadata", saml(metadata=metadata(use='use="encryption"')), "no signing certificate"),
    ("loginProviders[0].metadata", saml(metadata=metadata(replaced=("MII", "MI"))), "cannot be read"),
    ("mfa", {"mfa": "on"}, "off, optional, administrators, required"),
    ("mfa", {"mfa": True}, "off, optional, administrators, required"),
    ("mfa", {"mfa": False}, "off, optional, administrators, required"),
    ("host", {"host": "http://pacs.example.org"}, "no scheme"),
    ("host", {"host": "pacs.example.org/viewer"}, "no path"),
    ("host", {"host": "pacs.example.org/"}, "no path"),
    ("host", {"host": "pacs.example.org:8080"}, "no port"),
    ("host", {"host": "::1"}, "IPv4"),
    ("host", {"host": "PACS.example.org"}, "small letters"),
    ("host", {"host": "pacs_1.example.org"}, "host name"),
    ("host", {"host": "pacs example.org"}, "host name"),
    ("host", {"host": "-pacs.example.org"}, "host name"),
    ("host", {"host": "pacs-.example.org"}, "host name"),
    ("host", {"host": "pacs.example.org."}, "host name"),
    ("host", {"host": "pacs..example.org"}, "host name"),
    ("host", {"host": "pacs.example.org\n"}, "host name"),
    ("host", {"host": 'x"; return 200 "'}, "host name"),
    ("host", {"host": "*.example.org"}, "host name"),
    ("host", {"host": f"{'a' * 64}.example.org"}, "host name"),
    ("host", {"host": ".".join(["a" * 60] * 5)}, "host name"),
    ("port", {"port": "http"}, "whole number"),
    ("port", {"port": 80.5}, "whole number"),
    ("port", {"port": ""}, "whole number"),
    ("port", {"port": 0}, "between 1 and 65535"),
    ("port", {"port": 65536}, "between 1 and 65535"),
    ("port", {"port": -80}, "between 1 and 65535"),
    ("bindAddress", {"bindAddress": "localhost"}, "IP address"),
    ("bindAddress", {"bindAddress": "127.0.0.1:80"}, "IP address"),
    ("adminNetworks", {"adminNetworks": "10.0.0.0/8"}, "list"),
    ("adminNetworks", {"adminNetworks": {"10.0.0.0/8": True}}, "list"),
    ("adminNetworks", {"adminNetworks": ["10.0.0.0/33"]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": ["10.0.0.1/8"]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": ["hospital"]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": [10]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": [True]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": [["10.0.0.0/8"]]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": [None]}, "192.0.2.0/24"),
    ("users", {"users": "viewer"}, "list"),
    ("users", {"users": {"viewer": {"roles": ["viewer"]}}}, "list"),
    ("users[0]", {"users": ["viewer"]}, "map"),
    ("users[1]", users("a-person", "a-person"), "two users a-person"),
    ("users[0]", users(""), "name"),
    ("users[0]", users("M.Curie"), "small letters"),
    ("users[0]", users("m curie"), "small letters"),
    ("users[0]", users("../m"), "small letters"),
    ("users[0]", users(".m"), "small letters"),
    ("users[0]", users("m" * 64), "small letters"),
    ("users[0]", users("m.curie\n"), "small letters"),
    ("users[0]", users("admin"), "console"),
    ("users[0]", {"users": [{"roles": ["viewer"]}]}, "name"),
    ("users[0]", {"users": [{"name": 7}]}, "name"),
    ("users[0]", user(roles=["doctor"]), "viewer, reporter, pacsadmin"),
    ("programs[0]", {"programs": [{"name": "triage"}]}, "either"),
    ("programs[0]", {"programs": [{"name": "triage", "roles": [], "forUsers": True}]}, "either"),
    ("programs[0]", {"programs": [{"name": "triage", "forUsers": "yes"}]}, "either"),
    ("programs[0]", {"programs": [{"name": "admin-cli", "roles": []}]}, "another"),
    ("programs[0]", {"programs": [{"name": "Triage", "roles": []}]}, "small letters"),
    ("programs[0]", {"programs": [{"name": "triage", "roles": ["doctor"]}]}, "viewer, reporter, pacsadmin"),
    ("programs[0]", {"programs": [{"name": "triage", "roles": [], "secret": "x"}]}, "secret"),
    ("programs[1]", {"programs": [{"name": "triage", "roles": []}] * 2}, "two programs triage"),
    ("users[0]", user(roles=["Viewer"]), "viewer, reporter, pacsadmin"),
    ("users[0]", user(roles=["viewer", "group:radiology"]), "rights.groups names none"),
    ("users[0]", {**user(roles=["group:x"]), **rights()}, "rights.groups are radiology"),
    ("directory.groups.CT", {**directory(groupsDn="ou=g", groups={"CT": ["group:x"]}), **rights()}, "not a group"),
    ("loginProviders[0].groups.CT", {**provider(groups={"CT": ["group:x"]}), **rights()}, "not a group"),
    ("programs[0]", {"programs": [{"name": "triage", "roles": ["group:x"]}], **rights()}, "not a group"),
    ("passkeys", {"passkeys": True}, "mfa: required"),
    ("passkeys", {"passkeys": True, "mfa": "administrators", "host": "localhost"}, "mfa: required"),
    ("passkeys", {"passkeys": True, "mfa": "required"}, "set host"),
    ("passkeys", {"passkeys": True, "mfa": "required", "host": "127.0.0.1"}, "set host"),
    ("passkeys", {"passkeys": True, "mfa": "required", "host": "pacs.example.org"}, "need HTTPS"),
    ("passkeys", {"passkeys": "yes"}, "true or false"),
    ("rights", {"archive": "dcm4chee", **rights()}, "dcm4chee has no access control that was proven here"),
    ("rights", {"rights": {"group": ["a"]}}, "'group' is not known here"),
    ("rights.groups", {"rights": {"unrestricted": ["viewer"]}}, "one group at least"),
    ("rights.groups", rights(groups="radiology"), "one group at least"),
    ("rights.groups", rights(groups=["Radiology"]), "small letters"),
    ("rights.groups", rights(groups=["a,b"]), "small letters"),
    ("rights.groups", rights(groups=["a", "a"]), "twice"),
    ("rights.unrestricted", rights(unrestricted=["group:radiology"]), "viewer, reporter, pacsadmin"),
    ("rights.rules", rights(rules={}), "list"),
    ("rights.rules[0]", rights(rules=[{"labels": ["radiology"]}]), "needs when"),
    ("rights.rules[0]", rights(rules=[{"when": {}, "labels": ["radiology"]}]), "needs when"),
    ("rights.rules[0]", rights(rules=[{"when": {"Modality": "CT"}}]), "needs labels"),
    ("rights.rules[0]", rights(rules=[{"when": {"Modality": "CT"}, "labels": ["x"]}]), "rights.groups: radiology"),
    ("rights.rules[0]", rights(rules=[{"if": {"Modality": "CT"}, "labels": ["radiology"]}]), "'if' is not known here"),
    ("rights.rules[0].when", rights(rules=[{"when": {"Modalty": "CT"}, "labels": ["radiology"]}]), "Modality"),
    ("rights.rules[0].when", rights(rules=[{"when": {"Modality": "*"}, "labels": ["radiology"]}]), "wildcards"),
    ("rights.rules[0].when", rights(rules=[{"when": {"Modality": 1}, "labels": ["radiology"]}]), "text"),
    ("backup.mailTo", {"backup": {"repository": "/srv/b", "mailTo": "it@example.org"}}, "list"),
    ("backup.mailTo", {"backup": {"repository": "/srv/b", "mailTo": ["it"]}}, "'it' is not a mail address"),
    ("backup.mailTo", {"backup": {"repository": "/srv/b", "mailTo": ["a@b.org\nBcc: c@d.org"]}}, "not a mail address"),
    ("backup.mailTo", {"backup": {"repository": "/srv/b", "mailTo": ["it@example.org"]}}, "set smtp"),
    ("rights.shares", {**shares(), **OPEN}, "need HTTPS"),
    ("rights.shares", shares(days=1), "'days' is not known here"),
    ("rights.shares", {"rights": {"shares": True}}, "must be a map"),
    ("rights.shares.maximumDays", shares(maximumDays=91), "from 1 to 90"),
    ("rights.shares.maximumDays", shares(maximumDays="7"), "from 1 to 90"),
    ("rights.shares.withoutLogin", shares(withoutLogin="no"), "true or false"),
    ("rights.rules[0]", {"rights": {**shares()["rights"], "rules": [RULE]}}, "rights.groups"),
    ("rights", {"archive": "dcm4chee", **shares()}, "dcm4chee has no access control that was proven here"),
    ("users[0]", {**user(roles=["viewer", "sharer"]), **rights()}, "needs rights.shares"),
    ("users[0]", user(roles=["viewer", None]), "viewer, reporter, pacsadmin"),
    ("users[0]", user(roles=[["viewer"]]), "viewer, reporter, pacsadmin"),
    ("users[0]", user(roles=[{"viewer": True}]), "viewer, reporter, pacsadmin"),
    ("users[0]", user(roles="viewer"), "list"),
    ("users[0]", user(role=["viewer"]), "'role' is not known"),
    ("users[0]", user(password="secret"), "'password' is not known"),
    ("users[0]", user(email=""), "email"),
    ("users[0]", user(firstName=["Marie"]), "firstName"),
    ("sessionIdle", {"sessionIdle": 15}, "90s, 15m or 10h"),
    ("sessionIdle", {"sessionIdle": "15 minutes"}, "90s, 15m or 10h"),
    ("sessionIdle", {"sessionIdle": "-15m"}, "90s, 15m or 10h"),
    ("sessionIdle", {"sessionIdle": "1h30m"}, "90s, 15m or 10h"),
    ("sessionIdle", {"sessionIdle": "15m\n"}, "90s, 15m or 10h"),
    ("sessionIdle", {"sessionIdle": "9s"}, "between 10s and 24h"),
    ("sessionIdle", {"sessionIdle": "121m", "sessionMax": "2h"}, "sessionMax"),
    ("sessionMax", {"sessionMax": "0h"}, "between 10s and 168h"),
    ("sessionMax", {"sessionMax": "169h"}, "between 10s and 168h"),
    ("accessTokenLife", {"accessTokenLife": "0m"}, "between 10s and 1h"),
    ("accessTokenLife", {"accessTokenLife": "61m"}, "between 10s and 1h"),
    ("accessTokenLife", {"accessTokenLife": "15m", "sessionIdle": "15m"}, "sessionIdle"),
    ("accessTokenLife", {"accessTokenLife": "20m", "sessionIdle": "15m"}, "sessionIdle"),
    ("adminNetworks", {"adminNetworks": ["0.0.0.0/0"]}, "[anywhere]"),
    ("adminNetworks", {"adminNetworks": ["10.0.0.0/8", "::/0"]}, "[anywhere]"),
    ("adminNetworks", {"adminNetworks": ["anywhere", "10.0.0.0/8"]}, "192.0.2.0/24"),
    ("adminNetworks", {"adminNetworks": [], "bindAddress": "0.0.0.0"}, "is empty"),
    ("adminNetworks", {"adminNetworks": [], "bindAddress": "192.0.2.10"}, "is empty"),
    ("viewer", {"viewer": {"title": "x"}}, "'title' is not known"),
    ("viewer.logo", {"viewer": {"logo": "logo.png"}}, "base64 -w0"),
    ("viewer.logo", {"viewer": {"logo": "data:image/png;base64,A"}}, "base64 -w0"),
    ("viewer.logo", {"viewer": {"logo": f"data:image/png;base64,{'A' * 100000}"}}, "75000 bytes"),
    ("viewer.options.dataSources", {"viewer": {"options": {"dataSources": []}}}, "keys that may be changed"),
    ("viewer.options.oidc", {"viewer": {"options": {"oidc": []}}}, "keys that may be changed"),
    ("viewer.options.hotkeys", {"viewer": {"options": {"hotkeys": "a"}}}, "a map or a list"),
    ("viewer.options.maxCacheSize", {"viewer": {"options": {"maxCacheSize": True}}}, "a whole number"),
    ("viewer.options", {"viewer": {"options": []}}, "map of keys"),
    ("viewer.hiddenModes", {"viewer": {"hiddenModes": "tmtv"}}, "a list of OHIF's modes"),
    ("viewer.hiddenModes", {"viewer": {"hiddenModes": [1]}}, "a list of OHIF's modes"),
    (
        "viewer.options.modesConfiguration",
        {"viewer": {"options": {"modesConfiguration": {"@ohif/mode-tmtv": {"hide": True}}}}},
        "write `hide: {$set: true}`",
    ),
    ("viewer.options.customizationService", {"viewer": {"options": {"customizationService": {"a": 1}}}}, "$set"),
    ("viewer.options.customizationService", {"viewer": {"options": {"customizationService": [{"a": []}]}}}, "$set"),
    ("viewer.frameAncestors", {"viewer": {"frameAncestors": "https://a.org"}}, "a list of origins"),
    ("viewer.frameAncestors", {"viewer": {"frameAncestors": ["https://*.org"]}}, "no path, no *"),
    ("viewer.frameAncestors", {"viewer": {"frameAncestors": ["https://a.org/"]}}, "no path, no *"),
    ("host", {"proxy": PROXY}, "is needed with proxy"),
    ("proxy.trusted", {"host": "a.org", "proxy": {"port": 443}}, "must be a list of the networks"),
    ("proxy.trusted", {"host": "a.org", "proxy": {"trusted": ["0.0.0.0/0"]}}, "write [anywhere] if you mean it"),
    ("proxy.trusted", {"host": "a.org", "proxy": {"trusted": ["lb.example.org"]}}, "not a network"),
    ("proxy.protocol", {"host": "a.org", "proxy": {**PROXY, "protocol": "forwarded"}}, "xForwardedFor, proxyProtocol"),
    ("proxy.port", {"host": "a.org", "proxy": {**PROXY, "port": "443"}}, "whole number"),
    ("proxy.hops", {"host": "a.org", "proxy": {**PROXY, "hops": 0}}, "from 1 to 5"),
    ("proxy.hops", {"host": "a.org", "proxy": {**PROXY, "protocol": "proxyProtocol", "hops": 2}}, "no effect"),
    ("proxy.caCertificate", {"host": "a.org", "proxy": {**PROXY, "caCertificate": "x"}}, "certificate in PEM"),
    ("proxy", {"host": "a.org", "proxy": {**PROXY, "tls": True}}, "'tls' is not known"),
    ("backup", {"backup": {"times": ["02:30"]}}, "needs repository"),
    ("backup.repository", {"backup": {"repository": "backups"}}, "neither a folder from the root on"),
    ("backup.repository", {"backup": {"repository": "/srv/a,b"}}, "neither a folder"),
    ("backup.repository", {"backup": {"repository": "rest:https://host/"}}, "neither a folder"),
    ("backup", {"backup": {"path": "/srv"}}, "'path' is not known"),
    ("backup.repository", {"backup": {"repository": "linode", "region": "nl-ams"}}, "linode needs target linode"),
    ("backup.region", {"backup": {**S3, "region": "US East"}}, "not a region such as"),
    ("backup.region", {"backup": {"repository": "/srv/backup", "region": "nl-ams"}}, "no effect"),
    ("backup", {"backup": {"repository": "s3:https://host/bucket"}}, "needs accessKey, secretKey"),
    ("backup.repository", {"backup": {**S3, "repository": "s3:host/bucket"}}, "an address like s3:https://host/bucket"),
    ("backup.repository", {"backup": {**S3, "repository": "s3:https://host"}}, "an address like"),
    ("backup.repository", {"backup": {**S3, "repository": "s3:https://k:v@host/bucket"}}, "an address like"),
    ("backup.repository", {"backup": {**S3, "repository": "s3:https://host/ab/pacs"}}, "3 characters or more"),
    ("backup.hostKey", {"backup": {**S3, "hostKey": HOST_KEY}}, "no effect"),
    ("backup.accessKey", {"backup": {"repository": "/srv/backup", "accessKey": "a"}}, "no effect"),
    ("backup.caCertificate", {"backup": {"repository": "/srv/backup", "caCertificate": "x"}}, "s3: and linode only"),
    ("backup.caCertificate", {"backup": {**S3, "caCertificate": "x"}}, "not a certificate in PEM"),
    ("backup", {"backup": {"repository": "sftp://u@host//p"}}, "needs sshKey, hostKey"),
    ("backup.hostKey", {"backup": {**SFTP, "hostKey": "SHA256:abc"}}, "ssh-keyscan"),
    ("backup.sshKey", {"backup": {**SFTP, "sshKey": "ssh-ed25519 AAAA"}}, "not a private key in PEM"),
    ("backup.repository", {"backup": {**SFTP, "repository": "sftp:user@host:/p"}}, "an address like sftp://"),
    ("backup.times", {"backup": {**S3, "times": []}}, "1 to 24 times"),
    ("backup.times", {"backup": {**S3, "times": "02:30"}}, "1 to 24 times"),
    ("backup.times", {"backup": {**S3, "times": ["2:30"]}}, "not a time of the day"),
    ("backup.times", {"backup": {**S3, "times": [9000]}}, "not a time of the day such as 02:30, in quotes"),
    ("backup.times", {"backup": {**S3, "times": ["24:00"]}}, "not a time of the day"),
    ("backup.keepDaily", {"backup": {**S3, "keepDaily": "7"}}, "whole number"),
    ("backup.paused", {"backup": {**S3, "paused": "yes"}}, "true or false"),
    ("backup.keepDaily", {"backup": {**S3, "keepDaily": True}}, "whole number"),
    ("backup", {"backup": {**S3, "keepDaily": 0, "keepWeekly": 0, "keepMonthly": 0}}, "keeps no backup"),
    ("passwordRules.length", {"passwordRules": {"length": 8}}, "from 12 to 20"),
    ("passwordRules.length", {"passwordRules": {"length": "16"}}, "whole number"),
    ("passwordRules.digits", {"passwordRules": {"digits": 2}}, "from 0 to 1"),
    ("passwordRules.temporary", {"passwordRules": {"temporary": 1}}, "true or false"),
    ("passwordRules", {"passwordRules": {"specialChars": 1}}, "'specialChars' is not known"),
    ("database", {"database": {"host": "db.example.org"}}, "needs host, caCertificate, keycloak and archive"),
    ("database", {"database": SERVER, "archive": "dcm4chee"}, "no effect with dcm4chee"),
    ("files", {"files": {"folder": "/mnt/nas/ohif"}}, "'folder' is not known"),
    ("files", {"files": {"path": "/mnt/nas/ohif", "bucket": BUCKET["bucket"]}}, "not both"),
    ("files.region", {"files": {"path": "/mnt/nas/ohif", "region": "x"}}, "no effect with path"),
    ("files.bucket", {"files": {**BUCKET, "bucket": "http://s3.example.org/pacs"}}, "an address like https://"),
    ("files.bucket", {"files": {**BUCKET, "bucket": "https://s3.example.org/"}}, "an address like https://"),
    ("files", {"files": {"bucket": BUCKET["bucket"]}}, "needs region, accessKey and secretKey"),
    ("files.caCertificate", {"files": {**BUCKET, "caCertificate": "x"}}, "not a certificate in PEM"),
    ("files.bucket", {"files": BUCKET}, "needs database"),
    ("backup", {"files": BUCKET, "backup": {"repository": "/srv/backup"}}, "would not hold what is in files.bucket"),
    ("files", {"files": BUCKET, "archive": "dcm4chee"}, "no effect with dcm4chee"),
    ("files.path", {"files": {"path": "nas/ohif"}}, "not a folder from the root on"),
    ("files.path", {"files": {"path": "/mnt/../nas"}}, "not a folder from the root on"),
    ("files", {"files": {"path": "/mnt/nas/ohif"}, "archive": "dcm4chee"}, "no effect with dcm4chee"),
    (
        "files.path",
        {"files": {"path": "/mnt/nas/ohif"}, "backup": {"repository": "/mnt/nas/ohif/backup"}},
        "in one another",
    ),
    ("files.path", {"files": {"path": "/mnt/nas"}, "backup": {"repository": "/mnt/nas"}}, "in one another"),
    ("database.host", {"database": {**SERVER, "host": "127.0.0.1"}}, "each container itself"),
    ("database.host", {"database": {**SERVER, "host": "db.example.org:5432"}}, "no name"),
    ("database.port", {"database": {**SERVER, "port": "5432"}}, "whole number"),
    ("database.caCertificate", {"database": {**SERVER, "caCertificate": "none"}}, "PEM"),
    (
        "database.archive",
        {"database": {**SERVER, "archive": {"name": "a", "user": "b"}}},
        "needs name, user and password",
    ),
    ("database.archive", {"database": {**SERVER, "archive": {**LOGIN, "name": "a b"}}}, "letters"),
    ("database", {"database": {**SERVER, "archive": {**LOGIN, "user": "k"}}}, "a database and a user each"),
    ("logs", {"logs": {"host": "logs.example.org"}, "auditDays": 1}, "needs host and caCertificate"),
    ("logs", {"logs": LOGS}, "needs auditDays"),
    ("logs", {"logs": {**LOGS, "protocol": "tcp"}, "auditDays": 1}, "'protocol' is not known"),
    ("logs.host", {"logs": {**LOGS, "host": "localhost"}, "auditDays": 1}, "each container itself"),
    ("logs.host", {"logs": {**LOGS, "host": "tcp://logs"}, "auditDays": 1}, "no name"),
    ("logs.caCertificate", {"logs": {**LOGS, "caCertificate": "x"}, "auditDays": 1}, "PEM"),
    ("logs.port", {"logs": {**LOGS, "port": 0}, "auditDays": 1}, "whole number"),
    ("logs.localPort", {"logs": {**LOGS, "localPort": "5514"}, "auditDays": 1}, "whole number"),
    ("smtp", {"smtp": []}, "map"),
    ("smtp", {"smtp": "mail.example.org"}, "map"),
    ("smtp", {"smtp": {"host": "mail.example.org"}}, "host and from"),
    ("smtp", {"smtp": {"from": "pacs@example.org"}}, "host and from"),
    ("smtp", {"smtp": {**SMTP, "host": " "}}, "host"),
    ("smtp", {"smtp": {**SMTP, "user": "pacs"}}, "user and password"),
    ("smtp", {"smtp": {**SMTP, "password": "secret"}}, "user and password"),
    ("smtp", {"smtp": {**SMTP, "tls": True}}, "'tls' is not known"),
    ("smtp", {"smtp": {**SMTP, "port": "25"}}, "port"),
    ("smtp", {"smtp": {**SMTP, "port": True}}, "port"),
    ("smtp", {"smtp": {**SMTP, "port": 0}}, "port"),
    ("smtp", {"smtp": {**SMTP, "port": 70000}}, "port"),
    ("smtp", {"smtp": {**SMTP, "startTls": "yes"}}, "startTls"),
    ("protectData", {"protectData": "yes"}, "true or false"),
    ("protectData", {"protectData": 1}, "true or false"),
    ("images.orthanc", {"images": {"orthanc": "jodogne/orthanc-python:1.12.4"}}, "and not store it"),
    ("images.orthanc", {"images": {"orthanc": "orthancteam/orthanc:24.10.3"}}, "needs Orthanc 1.12.5"),
    ("images", {"images": ["nginx"]}, "map"),
    ("images", {"images": {"nginx": "nginx:1.30.7"}}, "'nginx' is not one of gateway,"),
    ("images", {"images": {"gateway": 1}}, "gateway"),
    ("images", {"images": {"gateway": {}}}, "gateway"),
    ("images", {"images": {"gateway": ""}}, "gateway"),
    ("images", {"images": {"gateway": "nginx:1.30.7@sha256:12ab"}}, "images.gateway: 'nginx:1.30.7@sha256:12ab': what"),
    ("images", {"images": {"gateway": f"nginx:1.30.7@md5:{'0' * 64}"}}, "must be a digest"),
    ("images", {"images": {"gateway": "nginx:1.30.7@"}}, "must be a digest"),
    ("images", {"images": {"gateway": {"name": "nginx:1.30.7", "tag": "x"}}}, "'tag' is not known"),
    ("images", {"images": {"keycloak": {"name": "keycloak:26.7.3", "optimized": "yes"}}}, "optimized"),
]


@pytest.mark.parametrize(("key", "config", "says"), REFUSED, ids=[ascii(it) for _, it, _ in REFUSED])
def test_refused(key: str, config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(**config)
    message = str(refusal.value)
    assert f"ohif:{key}" in message
    assert says in message


MACHINE_IMAGES_REFUSED = {
    "not there": None,
    "empty": "",
    "not JSON": "{gateway: nginx}",
    "not text": "\udcff",
    "a list": "[]",
    "a text": '"nginx:1.30.7"',
    "unknown image": '{"nginx": {"name": "nginx:1.30.7"}}',
    "no name": '{"gateway": {"optimized": true}}',
    "unknown field": '{"gateway": {"name": "nginx:1.30.7", "size": 1}}',
}


@pytest.mark.parametrize("content", MACHINE_IMAGES_REFUSED.values(), ids=list(MACHINE_IMAGES_REFUSED))
def test_images_of_the_machine_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "images.json"
    if content is not None:
        file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match="OHIF_IMAGES="):
        load({"OHIF_IMAGES": str(file)})


def test_images_of_the_configuration_before_the_machines_before_the_table(tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    machine = {"gateway": {"name": "m/nginx:1"}, "keycloak": {"name": "m/keycloak:1", "optimized": True}}
    file.write_text(json.dumps(machine))
    images = load({"OHIF_IMAGES": str(file)}, images={"gateway": "c/nginx:2"}).images
    assert images["gateway"].name == "c/nginx:2"
    assert (images["keycloak"].name, images["keycloak"].optimized) == ("m/keycloak:1", True)
    assert images["postgres"] == DEFAULT_IMAGES["postgres"]


def test_nothing_is_made_of_what_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        run_program({"host": "http://127.0.0.1"})


def test_declared_keys_are_the_known_keys() -> None:
    assert set(project_config()) == settings.KEYS


def test_every_key_has_a_type_a_usable_default_and_a_description() -> None:
    for key, schema in project_config().items():
        assert {"type", "default", "description"} <= set(schema), key
        assert len(schema["description"]) > 20, key
    assert load() == load(**defaults())


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_stack_file_has_only_declared_keys_and_loads(file: Path) -> None:
    config = stack_config(file)
    assert set(config) <= settings.KEYS
    load({"LINODE_TOKEN": "S3cret.of-the-account"}, **config)


def test_stack_files_exist() -> None:
    assert {"Pulumi.dev.yaml", "Pulumi.prod.yaml", "Pulumi.e2e.yaml"} <= {file.name for file in STACK_FILES}


def test_defaults_are_the_safe_choice() -> None:
    actual = load()
    assert actual.protect_data
    assert actual.listeners.addresses == ("127.0.0.1",)
    assert actual.certificate is None
    assert actual.users == ()
    assert actual.smtp is None
    assert actual.listeners.dicom is None
    assert not actual.archive.confirm_switch
    assert (actual.sessions.access_token, actual.sessions.idle, actual.sessions.maximum) == (300, 900, 36000)


@pytest.mark.parametrize(
    ("config", "origin"),
    [
        ({}, "http://127.0.0.1"),
        ({"port": 8480}, "http://127.0.0.1:8480"),
        ({"host": "pacs.example.org"}, "http://pacs.example.org"),
        ({"host": "pacs"}, "http://pacs"),
        ({"host": "192.0.2.10", "port": 443}, "http://192.0.2.10:443"),
    ],
)
def test_one_endpoint(config: dict[str, Any], origin: str) -> None:
    actual = load(**config)
    endpoint = actual.endpoint(actual.host or "")
    assert endpoint.origin == origin
    assert origin.endswith(f"//{endpoint.authority}")


@pytest.mark.parametrize(
    ("scheme", "port", "origin"),
    [
        ("https", 443, "https://pacs.example.org"),
        ("https", 80, "https://pacs.example.org:80"),
        ("https", 8443, "https://pacs.example.org:8443"),
        ("http", 80, "http://pacs.example.org"),
    ],
)
def test_origin_is_what_a_browser_says(scheme: str, port: int, origin: str) -> None:
    endpoint = PublicEndpoint(scheme=scheme, host="pacs.example.org", port=port)
    assert endpoint.origin == origin
    assert endpoint.secure is (scheme == "https")


EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@pytest.mark.parametrize(
    ("bind", "networks", "admitted"),
    [
        ("127.0.0.1", [], EVERYWHERE),
        ("127.0.0.1", ["10.0.0.0/8"], (ipaddress.ip_network("10.0.0.0/8"),)),
        ("0.0.0.0", ["anywhere"], EVERYWHERE),
        ("0.0.0.0", ["10.0.0.0/8"], (ipaddress.ip_network("10.0.0.0/8"),)),
    ],
)
def test_console_is_open_to_this_machine_only_unless_configured(
    bind: str, networks: list[str], admitted: tuple[settings.Network, ...]
) -> None:
    assert load(bindAddress=bind, adminNetworks=networks).listeners.admin_networks == admitted


def test_users() -> None:
    people = [
        {"name": "m.curie@example.org", "roles": ["viewer", "reporter"], "email": "m.curie@example.org"},
        {"name": "p-1_x", "firstName": "Pierre"},
    ]
    first, second = load(users=people).users
    assert (first.name, first.email, first.roles) == (
        "m.curie@example.org",
        "m.curie@example.org",
        frozenset({Role.VIEWER, Role.REPORTER}),
    )
    assert (second.name, second.roles, second.first_name, second.last_name) == ("p-1_x", frozenset(), "Pierre", None)


def test_mail() -> None:
    smtp = load(smtp=SMTP).smtp
    assert smtp is not None
    assert (smtp.host, smtp.port, smtp.sender, smtp.start_tls, smtp.user, smtp.password) == (
        "mail.example.org",
        587,
        "pacs@example.org",
        True,
        None,
        None,
    )


@pytest.mark.parametrize("choice", Mfa)
def test_mfa(choice: Mfa) -> None:
    assert load(mfa=choice.value).mfa is choice


@pytest.mark.parametrize(
    ("idle", "most", "token", "seconds"),
    [
        ("11s", "11s", "10s", (11, 11, 10)),
        ("60m", "1h", "59m", (3600, 3600, 59 * 60)),
        ("24h", "168h", "1h", (24 * 3600, 168 * 3600, 3600)),
    ],
)
def test_limits_themselves_are_allowed(idle: str, most: str, token: str, seconds: tuple[int, int, int]) -> None:
    limits = load(sessionIdle=idle, sessionMax=most, accessTokenLife=token).sessions
    assert (limits.idle, limits.maximum, limits.access_token) == seconds


@pytest.mark.parametrize(
    ("config", "archive"),
    [
        ({}, ("orthanc", "ORTHANC", 2048)),
        ({"archive": "dcm4chee"}, ("dcm4chee", "DCM4CHEE", 2048)),
        ({"archive": "dcm4chee", "aeTitle": "Ward_3.A-1", "archiveMemory": 4096}, ("dcm4chee", "Ward_3.A-1", 4096)),
        ({"aeTitle": "A" * 16, "archiveMemory": 256}, ("orthanc", "A" * 16, 256)),
    ],
)
def test_archive(config: dict[str, Any], archive: tuple[str, str, int]) -> None:
    actual = load(**config).archive
    assert (actual.kind, actual.ae_title, actual.memory_mib) == archive
    assert actual.device_name == "dcm4chee-arc"
    assert load(dcm4chee={"deviceName": "ward"}).archive.device_name == "ward"


def test_dicom_is_closed_until_it_is_opened() -> None:
    assert load(**dicom(enabled=False)).listeners.dicom is None
    actual = load(**dicom()).listeners.dicom
    assert actual is not None
    assert (actual.port, actual.callers, actual.networks) == (11112, ("CT1",), (ipaddress.ip_network("10.1.0.0/16"),))
    assert actual.tls is None
    opened = load(**dicom(networks=["anywhere"], port=104)).listeners.dicom
    assert opened is not None
    assert (opened.port, opened.networks) == (104, EVERYWHERE)


# Images by their digest

DIGEST = "sha256:" + "0123456789abcdef" * 4


def lock(path: Path, content: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(json.dumps(content))
    monkeypatch.setattr("settings.images.LOCK", path)


def test_a_digest_is_taken_as_given() -> None:
    reference = f"mirror.example.org:5000/nginx:1.30.7@{DIGEST}"
    gateway = load(images={"gateway": reference}).images["gateway"]
    assert (gateway.name, gateway.pinned) == (reference, True)


def test_digests_of_the_lock_file_are_used_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = DEFAULT_IMAGES["gateway"].name
    mirror = f"mirror.example.org/viewer:1@{DIGEST}"
    lock(tmp_path / "lock", {name: DIGEST, "mirror.example.org/postgres:17": DIGEST}, monkeypatch)
    images = load(images={"postgres": "mirror.example.org/postgres:17", "viewer": mirror}).images
    assert images["gateway"].name == f"{name}@{DIGEST}"
    assert images["postgres"].name == f"mirror.example.org/postgres:17@{DIGEST}"
    assert images["viewer"].name == mirror
    assert images["keycloak"] == DEFAULT_IMAGES["keycloak"]


@pytest.mark.parametrize("content", [[], {"nginx:1": "sha256:12"}, {"nginx:1": 1}], ids=["list", "short", "number"])
def test_a_lock_file_with_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    lock(tmp_path / "images.lock.json", content, monkeypatch)
    with pytest.raises(ConfigurationError, match=r"ohif:images: .*images|images.*make pin|lock"):
        load()


def test_images_that_a_registry_could_change_are_named(tmp_path: Path) -> None:
    images = load(images={"gateway": f"nginx:1@{DIGEST}"}).images
    loose = image_settings.unpinned(images, "orthanc")
    assert "gateway" not in loose and "keycloak" in loose
    assert not {"dcm4chee", "dcm4chee-db"} & set(loose)
    file = tmp_path / "images.json"
    file.write_text(json.dumps({key: f"built/{key}:1" for key in DEFAULT_IMAGES}))
    assert image_settings.unpinned(load({"OHIF_IMAGES": str(file)}).images, "orthanc") == []


def test_backups_are_made_each_night_by_default_and_kept_for_a_year() -> None:
    assert load().backup is None
    made = load(backup=S3).backup
    assert made is not None
    assert (made.times, made.longest_gap) == ((150,), 24 * 3600)
    assert (made.keep.daily, made.keep.weekly, made.keep.monthly) == (7, 5, 12)


def test_backups_at_several_times_have_a_longest_time_between_them() -> None:
    made = load(backup={**S3, "times": ["20:00", "08:00", "12:30"]}).backup
    assert made is not None
    assert (made.times, made.longest_gap) == ((480, 750, 1200), 12 * 3600)


@pytest.mark.parametrize("port", [443, 8443])
def test_browsers_come_by_https_to_the_port_of_the_proxy(port: int) -> None:
    made = load(host="pacs.example.org", port=8480, adminNetworks=["10.1.0.0/16"], proxy={**PROXY, "port": port})
    assert made.endpoint("pacs.example.org").origin == f"https://pacs.example.org{'' if port == 443 else f':{port}'}"
    assert made.sign_in.secure


def test_console_is_not_open_to_everyone_behind_a_proxy_on_this_machine() -> None:
    with pytest.raises(ConfigurationError, match="adminNetworks: is empty"):
        load(host="pacs.example.org", proxy=PROXY)
