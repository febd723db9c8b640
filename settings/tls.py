"""Whether browsers come by HTTPS, and with which certificate. What cannot work is rejected here, with how to fix it."""

import datetime
import re

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import AuthorityInformationAccessOID

from settings import addresses, parsing
from settings.dns import EMAIL
from settings.model.entrance import Acme, ProvidedCertificate, Tls
from settings.model.machine import Machine, Server
from settings.parsing import ConfigurationError

PROVIDED_KEYS = ("tlsCertificate", "tlsKey", "tlsCa")
ACME_FIELDS = frozenset({"email", "server", "staging", "caCertificate"})
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
"""Certificates that no browser trusts, without the limits on how many (Let's Encrypt, "Staging Environment")."""
STAGING_ROOTS = "https://letsencrypt.org/docs/staging-environment/"
LETS_ENCRYPT_CAA = "letsencrypt.org"
HTTP_PORT = 80
"""Where a public CA asks for the proof (RFC 8555, 8.3)."""


def certificate(
    config: pulumi.Config, host: str | None, http_port: int, machine: Machine, bound: tuple[str, ...]
) -> Acme | ProvidedCertificate | None:
    """The certificate; `None`: HTTP."""
    tls = parsing.choice(config, "tls", Tls)
    acme = parsing.fields(config, "acme", ACME_FIELDS)
    chain, key, ca = (config.require(name) for name in PROVIDED_KEYS)
    if acme and tls is not Tls.LETSENCRYPT:
        raise ConfigurationError("acme", f"has no effect with tls {tls}; remove it.")
    for name, value in zip(PROVIDED_KEYS, (chain, key, ca), strict=True):
        if value and tls is not Tls.PROVIDED:
            raise ConfigurationError(name, f"has no effect with tls {tls}; remove it.")
    match tls:
        case Tls.NONE:
            return None
        case Tls.LETSENCRYPT:
            return _acme(acme, host, http_port, bound)
        case Tls.PROVIDED:
            # A server's own address is the way to it, not what it is called.
            if host is None or (isinstance(machine, Server) and not config.require("host")):
                raise ConfigurationError("host", "is needed with tls provided: the name that the certificate is for.")
            return provided(chain, key, ca, host, datetime.datetime.now(datetime.UTC))


def _acme(entry: dict[str, object], host: str | None, http_port: int, bound: tuple[str, ...]) -> Acme:
    if host is None or not addresses.is_name(host):
        raise ConfigurationError(
            "host",
            f"{host or ''!r} must be a domain name such as pacs.example.org with tls letsencrypt: "
            "there are no certificates for addresses.",
        )
    email = parsing.text("acme", entry, "email")
    if not email or not EMAIL.fullmatch(email):
        raise ConfigurationError("acme", "needs email, where the certification authority can reach you.")
    server, staging = parsing.text("acme", entry, "server"), entry.get("staging", False)
    if not isinstance(staging, bool):
        raise ConfigurationError("acme", "staging must be true or false.")
    if server and staging:
        raise ConfigurationError("acme", "takes either server or staging.")
    if staging and not entry.get("caCertificate"):
        raise ConfigurationError(
            "acme", f"staging needs caCertificate: its roots in PEM, which nobody trusts otherwise ({STAGING_ROOTS})."
        )
    if server and not re.fullmatch(r"https://[^\s/]+/\S*", server):
        raise ConfigurationError("acme", f"server {server!r} is not the https address of an ACME directory.")
    ca_certificate = parsing.text("acme", entry, "caCertificate")
    if ca_certificate:
        certificates("acme", ca_certificate)
    if ca_certificate and not (server or staging):
        raise ConfigurationError(
            "acme", "caCertificate goes with server or staging: Let's Encrypt is trusted as it is."
        )
    if not server and http_port != HTTP_PORT:
        raise ConfigurationError("port", f"must be {HTTP_PORT} with tls letsencrypt: there the proof is asked for.")
    if not server and addresses.is_loopback(bound):
        raise ConfigurationError(
            "bindAddress",
            "is a loopback address, where Let's Encrypt cannot ask for the proof; 0.0.0.0 is every address.",
        )
    return Acme(
        host=host,
        email=email,
        directory=server or (LETS_ENCRYPT_STAGING if staging else LETS_ENCRYPT),
        ca_certificate=ca_certificate,
        caa_identity=None if server else LETS_ENCRYPT_CAA,
    )


def provided(chain: str, key: str, ca: str, host: str, now: datetime.datetime) -> ProvidedCertificate:
    """A certificate and its key, which fit each other, the host and the date.

    Raises:
        ConfigurationError: they do not, or cannot be read.
    """
    for name, value in (("tlsCertificate", chain), ("tlsKey", key)):
        if not value:
            raise ConfigurationError(name, f"is missing: pulumi config set --secret ohif:{name} < its PEM file.")
    first = certificates("tlsCertificate", chain)[0]
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("tlsKey", "is not a private key in PEM without a passphrase.") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != first.public_key().public_bytes(*form):
        raise ConfigurationError(
            "tlsKey", "is not the key of tlsCertificate's first certificate; the server's own must come first."
        )
    if first.not_valid_after_utc <= now:
        raise ConfigurationError("tlsCertificate", f"expired on {first.not_valid_after_utc:%Y-%m-%d}; set a new one.")
    if first.not_valid_before_utc > now:
        raise ConfigurationError(
            "tlsCertificate", f"is not valid before {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
        )
    names = _names(first)
    if not any(_covers(name, host) for name in names):
        raise ConfigurationError("tlsCertificate", f"is for {', '.join(names) or 'no name'}, not for {host}.")
    if ca:
        certificates("tlsCa", ca)
    return ProvidedCertificate(
        chain=chain, key=pulumi.Output.secret(key), ocsp_stapling=_has_responder(first), ca_certificate=ca or None
    )


def certificates(key: str, pem: str) -> list[x509.Certificate]:
    """The certificates in a PEM text, of which there must be one at least."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ConfigurationError(key, "is not a certificate in PEM (-----BEGIN CERTIFICATE-----).") from error


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _covers(name: str, host: str) -> bool:
    """Whether a name of a certificate is the host's; a star stands for one label (RFC 9525, 6.3)."""
    first, _, rest = host.partition(".")
    return name.lower() == host or (bool(first) and name.lower() == f"*.{rest}")


def _has_responder(certificate: x509.Certificate) -> bool:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(entry.access_method == AuthorityInformationAccessOID.OCSP for entry in access)
