"""Who may read which study."""

import re
from collections.abc import Mapping, Sequence

import pulumi

from route import Role
from settings import parsing
from settings.model.archive import ArchiveKind, LabelRule, Rights, ShareLinks
from settings.parsing import ConfigurationError
from settings.users import roles_of

GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""Orthanc's labels have letters, digits, _ and -, at most 64."""
CALLING_AE_TITLE = "callingAeTitle"
CONDITIONS = (
    CALLING_AE_TITLE,
    *("AccessionNumber", "BodyPartExamined", "ClinicalTrialProtocolID", "ClinicalTrialSiteID"),
    *("ClinicalTrialSponsorName", "InstitutionName", "InstitutionalDepartmentName", "IssuerOfPatientID"),
    *("Manufacturer", "ManufacturerModelName", "Modality", "OperatorsName", "PatientID", "PerformingPhysicianName"),
    *("ProtocolName", "ReferringPhysicianName", "RequestingPhysician", "RequestingService", "StationName"),
    *("StudyDescription", "StudyID"),
)
"""What a rule may look at: who sends by DICOM, and attributes by their keywords (PS3.6)."""


DAYS = 14
MAXIMUM_DAYS = 90


def rights(config: pulumi.Config, kind: ArchiveKind) -> Rights | None:
    """Rights on studies; `None`: who has a role reads all of them."""
    entry = parsing.fields(config, "rights", frozenset({"groups", "unrestricted", "rules", "shares"}))
    if not entry:
        return None
    if kind is not ArchiveKind.ORTHANC:
        raise ConfigurationError(
            "rights", f"{kind} has no access control that was proven here: its studies without an identifier are open."
        )
    shares = _shares(entry["shares"]) if "shares" in entry else None
    # With share links alone, every role reads all studies as before.
    groups = () if shares and "groups" not in entry else _names("rights.groups", entry.get("groups"))
    rules = entry.get("rules", [])
    if not isinstance(rules, list):
        raise ConfigurationError("rights.rules", "must be a list.")
    return Rights(
        groups=groups,
        unrestricted=frozenset(roles_of("rights.unrestricted", entry.get("unrestricted", [])))
        | frozenset({Role.PACSADMIN} if groups else Role),
        shares=shares,
        rules=tuple(_rule(f"rights.rules[{number}]", rule, groups) for number, rule in enumerate(rules)),
    )


def require_https(rights: Rights | None, *, secure: bool) -> None:
    """Refuse share links whose secret would be sent unencrypted. Within one machine it may be, to try them."""
    if rights and rights.shares and not secure:
        raise ConfigurationError("rights.shares", "need HTTPS; set tls, or proxy for one that ends it.")


def _shares(value: object) -> ShareLinks:
    parsing.refuse_fields("rights.shares", value, frozenset({"maximumDays", "withoutLogin"}))
    entry: Mapping[str, object] = value if isinstance(value, dict) else {}
    without_login = entry.get("withoutLogin", False)
    if not isinstance(without_login, bool):
        raise ConfigurationError("rights.shares.withoutLogin", "must be true or false.")
    days = entry.get("maximumDays", DAYS)
    return ShareLinks(
        maximum_days=parsing.whole_number("rights.shares.maximumDays", days, at_least=1, at_most=MAXIMUM_DAYS),
        without_login=without_login,
    )


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ConfigurationError(key, "needs a list with one group at least.")
    for name in value:
        if not isinstance(name, str) or not GROUP.fullmatch(name):
            raise ConfigurationError(key, f"{name!r} must be small letters, digits, _ and -, at most 64.")
    if len(set(value)) < len(value):
        raise ConfigurationError(key, "names a group twice.")
    return tuple(value)


def _rule(key: str, rule: object, groups: Sequence[str]) -> LabelRule:
    parsing.refuse_fields(key, rule, frozenset({"when", "labels"}))
    fields: Mapping[str, object] = rule if isinstance(rule, dict) else {}
    when, labels = fields.get("when"), fields.get("labels")
    if not isinstance(when, dict) or not when:
        raise ConfigurationError(key, "needs when, a map of conditions: all of them must hold.")
    for name, pattern in when.items():
        if name not in CONDITIONS:
            raise ConfigurationError(f"{key}.when", f"{name!r} is none of {', '.join(CONDITIONS)}.")
        if not isinstance(pattern, str) or not pattern.strip("*? "):
            # It would give every study away.
            raise ConfigurationError(f"{key}.when", f"{name} needs a text with more than wildcards.")
    if not isinstance(labels, list) or not labels:
        raise ConfigurationError(key, "needs labels, a list of groups.")
    unknown = [label for label in labels if label not in groups]
    if unknown:
        raise ConfigurationError(key, f"{unknown[0]!r} is not one of rights.groups: {', '.join(groups)}.")
    return LabelRule(when=dict(when), labels=tuple(labels))
