"""Whether and how modalities send images by the DICOM protocol itself (DIMSE)."""

from collections.abc import Mapping
from typing import Any

import pulumi

from settings import addresses, archive, parsing
from settings.model.archive import Dicom, DicomTls
from settings.model.machine import Network
from settings.parsing import ConfigurationError

KEY = "dicom"
USUAL_PORT = 11112
"""Registered with IANA for DICOM; 104, the other one, is below 1024."""


def dicom(config: pulumi.Config) -> Dicom | None:
    entry = parsing.fields(config, KEY, frozenset({"enabled", "port", "callers", "networks", "tls"}))
    enabled, port = entry.get("enabled", False), entry.get("port", USUAL_PORT)
    if not isinstance(enabled, bool):
        raise ConfigurationError(KEY, "enabled must be true or false.")
    if type(port) is not int or not 1 <= port <= 65535:
        raise ConfigurationError(KEY, "port must be a whole number from 1 to 65535.")
    found = Dicom(port=port, callers=_callers(entry), networks=_networks(entry), tls=_tls(entry))
    if not enabled:
        return None
    if not found.callers:
        raise ConfigurationError(KEY, "callers is empty, so nobody could send; list the modalities' AE titles.")
    if not found.networks:
        raise ConfigurationError(
            KEY,
            f"networks is empty, so nobody could send; list networks such as 192.0.2.0/24, or [{addresses.ANYWHERE}].",
        )
    if port in (config.require_int("port"), config.require_int("httpsPort")):
        raise ConfigurationError(KEY, f"port {port} is the browsers' already; take another, such as {USUAL_PORT}.")
    return found


def _callers(entry: Mapping[str, object]) -> tuple[str, ...]:
    values = entry.get("callers", [])
    if not isinstance(values, list):
        raise ConfigurationError(KEY, "callers must be a list of AE titles.")
    callers = tuple(archive.ae_title(f"{KEY}.callers", value) for value in values)
    if len(set(callers)) < len(callers):
        raise ConfigurationError(KEY, "callers names an AE title twice.")
    return callers


def _networks(entry: Mapping[str, object]) -> tuple[Network, ...]:
    values = entry.get("networks", [])
    if not isinstance(values, list):
        raise ConfigurationError(KEY, "networks must be a list of networks such as 192.0.2.0/24.")
    return addresses.networks(KEY, values)


def _tls(entry: Mapping[str, Any]) -> DicomTls | None:
    if "tls" not in entry:
        return None
    key, fields = f"{KEY}.tls", entry["tls"]
    parsing.refuse_fields(key, fields, frozenset({"certificate", "key", "clientCa"}))
    certificate, client_ca = _pem(key, fields, "certificate"), _pem(key, fields, "clientCa")
    private = _pem(key, fields, "key", "PRIVATE KEY")
    if certificate is None or private is None:
        raise ConfigurationError(key, "needs certificate and key.")
    return DicomTls(certificate=certificate, key=pulumi.Output.secret(private), client_ca=client_ca)


def _pem(key: str, fields: Mapping[str, object], field: str, kind: str = "CERTIFICATE") -> str | None:
    text = parsing.text(key, fields, field)
    if text is not None and (not text.startswith("-----BEGIN ") or f"{kind}-----" not in text):
        raise ConfigurationError(key, f"{field} must be a {kind.lower()} in PEM.")
    return text
