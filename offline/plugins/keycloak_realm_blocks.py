"""Blocks of a realm: by property, Keycloak's path and the value when the block leaves it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.plugins.keycloak_admin import look_up, put, same
from offline.plugins.resource import Props

Block = dict[str, tuple[tuple[str, ...], Any]]

HEADERS: Block = {
    "contentSecurityPolicy": (
        ("browserSecurityHeaders", "contentSecurityPolicy"),
        "frame-src 'self'; frame-ancestors 'self'; object-src 'none';",
    ),
    "contentSecurityPolicyReportOnly": (("browserSecurityHeaders", "contentSecurityPolicyReportOnly"), ""),
    "referrerPolicy": (("browserSecurityHeaders", "referrerPolicy"), "no-referrer"),
    "strictTransportSecurity": (
        ("browserSecurityHeaders", "strictTransportSecurity"),
        "max-age=31536000; includeSubDomains",
    ),
    "xContentTypeOptions": (("browserSecurityHeaders", "xContentTypeOptions"), "nosniff"),
    "xFrameOptions": (("browserSecurityHeaders", "xFrameOptions"), "SAMEORIGIN"),
    "xRobotsTag": (("browserSecurityHeaders", "xRobotsTag"), "none"),
    "xXssProtection": (("browserSecurityHeaders", "xXSSProtection"), "1; mode=block"),
}
BRUTE_FORCE: Block = {
    "bruteForceStrategy": (("bruteForceStrategy",), "MULTIPLE"),
    "failureResetTimeSeconds": (("maxDeltaTimeSeconds",), 43200),
    "maxFailureWaitSeconds": (("maxFailureWaitSeconds",), 900),
    "maxLoginFailures": (("failureFactor",), 30),
    "maxTemporaryLockouts": (("maxTemporaryLockouts",), 0),
    "minimumQuickLoginWaitSeconds": (("minimumQuickLoginWaitSeconds",), 60),
    "permanentLockout": (("permanentLockout",), False),
    "quickLoginCheckMilliSeconds": (("quickLoginCheckMilliSeconds",), 1000),
    "waitIncrementSeconds": (("waitIncrementSeconds",), 60),
}
_OTP: Block = {
    "algorithm": (("otpPolicyAlgorithm",), "HmacSHA1"),
    "codeReusable": (("otpPolicyCodeReusable",), False),
    "digits": (("otpPolicyDigits",), 6),
    "initialCounter": (("otpPolicyInitialCounter",), 2),
    "lookAheadWindow": (("otpPolicyLookAheadWindow",), 1),
    "period": (("otpPolicyPeriod",), 30),
    "type": (("otpPolicyType",), "totp"),
}
_WEB_AUTHN: Block = {
    "acceptableAaguids": (("webAuthnPolicyAcceptableAaguids",), []),
    "attestationConveyancePreference": (("webAuthnPolicyAttestationConveyancePreference",), "not specified"),
    "authenticatorAttachment": (("webAuthnPolicyAuthenticatorAttachment",), "not specified"),
    "avoidSameAuthenticatorRegister": (("webAuthnPolicyAvoidSameAuthenticatorRegister",), False),
    "createTimeout": (("webAuthnPolicyCreateTimeout",), 0),
    "relyingPartyEntityName": (("webAuthnPolicyRpEntityName",), "keycloak"),
    "relyingPartyId": (("webAuthnPolicyRpId",), ""),
    "requireResidentKey": (("webAuthnPolicyRequireResidentKey",), "not specified"),
    "signatureAlgorithms": (("webAuthnPolicySignatureAlgorithms",), []),
    "userVerificationRequirement": (("webAuthnPolicyUserVerificationRequirement",), "not specified"),
}
POLICIES: Mapping[str, Block] = {"otpPolicy": _OTP, "webAuthnPolicy": _WEB_AUTHN}
"""Blocks that the realm has under these names."""


def put_block(body: Props, table: Block, given: Props) -> None:
    """Write a block into the body of a realm."""
    for name, (path, default) in table.items():
        put(body, path, given.get(name, default))


def block_drift(real: Props, table: Block, given: Props) -> Props:
    """What of a given block is otherwise in Keycloak."""
    seen = {name: look_up(real, table[name][0]) for name in given}
    return {name: value for name, value in seen.items() if not same(value, given[name])}
