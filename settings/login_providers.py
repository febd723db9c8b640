"""The login providers whose users may sign in, by OpenID Connect or by SAML."""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from xml.etree import ElementTree

import pulumi
from cryptography import x509

from settings import parsing
from settings.directory import certificate, check_url, group_roles
from settings.model.federation import LoginProvider, OpenIdProvider, SamlProvider
from settings.parsing import ConfigurationError

COMMON_FIELDS = frozenset({"name", "label", "groups"})
ENDPOINTS = ("authorizationUrl", "tokenUrl", "keysUrl")
OPENID_TEXTS = frozenset({"issuer", *ENDPOINTS, "clientId", "clientSecret", "scopes", "claim", "caCertificate"})
SAML_TEXTS = frozenset({"metadata", "attribute", "usernameAttribute"})
ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")

ENTRA = re.compile(r"https://login\.microsoftonline\.com/(?P<tenant>[0-9a-f-]{36})/v2\.0")
GOOGLE = "https://accounts.google.com"
KEYCLOAK = re.compile(r"https://[^?#]+/realms/[\w.-]+")

METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"
REDIRECT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"


def login_providers(config: pulumi.Config, of_rights: Collection[str]) -> tuple[LoginProvider, ...]:
    """The providers, in the order of the login page."""
    found: list[LoginProvider] = []
    for position, entry in enumerate(parsing.items(config, "loginProviders")):
        key = f"loginProviders[{position}]"
        read = _saml if isinstance(entry, dict) and "metadata" in entry else _openid
        provider: LoginProvider = read(key, entry, of_rights)
        if provider.name in {it.name for it in found}:
            raise ConfigurationError(key, f"there are two providers {provider.name}.")
        found.append(provider)
    return tuple(found)


def _texts(key: str, entry: Mapping[str, object], texts: frozenset[str], *needed: str) -> Mapping[str, str | None]:
    """The entry's texts, and none but the known fields."""
    parsing.refuse_fields(key, entry, COMMON_FIELDS | texts)
    text = {name: parsing.text(key, entry, name) for name in texts | {"name", "label"}}
    if missing := [name for name in ("name", *needed) if text[name] is None]:
        raise ConfigurationError(key, f"needs {', '.join(missing)}.")
    if not ALIAS.fullmatch(str(text["name"])):
        raise ConfigurationError(key, f"name {text['name']!r} must be small letters, digits and -")
    return text


def _openid(key: str, entry: Mapping[str, object], of_rights: Collection[str]) -> OpenIdProvider:
    text = _texts(key, entry, OPENID_TEXTS, "issuer", "clientId", "clientSecret")
    name, issuer = str(text["name"]), str(text["issuer"])
    urls = {**_known_urls(issuer), **{field: str(text[field]) for field in ENDPOINTS if text[field] is not None}}
    if unknown := [field for field in ENDPOINTS if field not in urls]:
        raise ConfigurationError(
            key, f"needs {', '.join(unknown)}; {issuer}/.well-known/openid-configuration has their values."
        )
    for field, url in {"issuer": issuer, **urls}.items():
        check_url(f"{key}.{field}", url, "https")
    return OpenIdProvider(
        name=name,
        label=text["label"] or name,
        groups=group_roles(f"{key}.groups", entry.get("groups", {}), of_rights),
        issuer=issuer,
        authorization_url=urls["authorizationUrl"],
        token_url=urls["tokenUrl"],
        keys_url=urls["keysUrl"],
        client_id=str(text["clientId"]),
        client_secret=pulumi.Output.secret(str(text["clientSecret"])),
        scopes=text["scopes"] or "openid profile email",
        claim=text["claim"] or "groups",
        ca_certificate=certificate(f"{key}.caCertificate", text["caCertificate"]),
    )


def _known_urls(issuer: str) -> dict[str, str]:
    """Endpoints of providers whose documentation fixes them. A preview may have no network, so nothing is fetched."""
    if entra := ENTRA.fullmatch(issuer):
        base = f"https://login.microsoftonline.com/{entra['tenant']}"
        endpoints = (f"{base}/oauth2/v2.0/authorize", f"{base}/oauth2/v2.0/token", f"{base}/discovery/v2.0/keys")
    elif issuer == GOOGLE:
        endpoints = (
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com/oauth2/v3/certs",
        )
    elif KEYCLOAK.fullmatch(issuer):
        base = f"{issuer}/protocol/openid-connect"
        endpoints = (f"{base}/auth", f"{base}/token", f"{base}/certs")
    else:
        return {}
    return dict(zip(ENDPOINTS, endpoints, strict=True))


def _saml(key: str, entry: Mapping[str, object], of_rights: Collection[str]) -> SamlProvider:
    text = _texts(key, entry, SAML_TEXTS, "metadata")
    name, groups = str(text["name"]), group_roles(f"{key}.groups", entry.get("groups", {}), of_rights)
    if groups and text["attribute"] is None:
        raise ConfigurationError(key, "needs attribute, in which the provider sends the groups.")
    problem, metadata = f"{key}.metadata", str(text["metadata"])
    try:
        # The operator's own configuration; and expat bounds the expansion of entities.
        root = ElementTree.fromstring(metadata)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ConfigurationError(problem, f"is not XML: {error}.") from error
    role = root.find(f"{METADATA}IDPSSODescriptor")
    entity = root.get("entityID")
    if root.tag != f"{METADATA}EntityDescriptor" or role is None or not entity:
        raise ConfigurationError(problem, "must be one EntityDescriptor with an entityID and an IDPSSODescriptor.")
    services = {it.get("Binding"): it.get("Location", "") for it in role.iter(f"{METADATA}SingleSignOnService")}
    if REDIRECT_BINDING not in services:
        raise ConfigurationError(problem, "names no SingleSignOnService with the binding HTTP-Redirect.")
    check_url(problem, services[REDIRECT_BINDING], "https")
    return SamlProvider(
        name=name,
        label=text["label"] or name,
        groups=groups,
        entity_id=entity,
        sign_on_url=services[REDIRECT_BINDING],
        signing_certificates=_signing_certificates(problem, role),
        attribute=text["attribute"],
        username_attribute=text["usernameAttribute"],
    )


def _signing_certificates(key: str, role: ElementTree.Element) -> tuple[str, ...]:
    """Certificates with which the provider signs (Metadata for SAML V2.0, 2.4.1.1), as base64 of DER."""
    found: list[str] = []
    for description in role.iter(f"{METADATA}KeyDescriptor"):
        if description.get("use", "signing") == "signing":
            found += ["".join((it.text or "").split()) for it in description.iter(f"{SIGNATURE}X509Certificate")]
    for encoded in found:
        try:
            x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError(key, f"has a signing certificate that cannot be read: {error}.") from error
    if not found:
        raise ConfigurationError(key, "has no signing certificate, so that nobody's login could be verified.")
    return tuple(dict.fromkeys(found))
