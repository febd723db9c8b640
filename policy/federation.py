"""Rules for the directory and the login providers whose users may sign in."""

from __future__ import annotations

from policy.rule import LDAP, LOGIN_PROVIDER, AnyRule, Problem, Problems, Resource, Rule


def directory_is_encrypted_and_read_only(directory: Resource) -> Problems:
    if directory.inputs.get("startTls") is not True and not directory.inputs["connectionUrl"].startswith("ldaps://"):
        yield Problem("passwords go to the directory unencrypted", "use ldaps:// or set start_tls to true")
    if directory.inputs.get("useTruststoreSpi") != "ALWAYS":
        yield Problem("the directory's certificate is not checked", 'set use_truststore_spi to "ALWAYS"')
    if directory.inputs.get("editMode") != "READ_ONLY" or directory.inputs.get("syncRegistrations"):
        yield Problem("Keycloak may write to the directory", 'set edit_mode to "READ_ONLY"')


def provider_is_verified(provider: Resource) -> Problems:
    if not (provider.inputs.get("validateSignature") is True and provider.inputs.get("issuer")):
        yield Problem("tokens of a login provider are not verified", "set validate_signature to true, and issuer")
    for name in ("authorizationUrl", "tokenUrl", "jwksUrl"):
        if not str(provider.inputs.get(name)).startswith("https://"):
            yield Problem(f"{name} of a login provider is not encrypted", "use an address that begins with https://")
    if provider.inputs.get("syncMode") != "FORCE":
        yield Problem("a role that the provider takes away stays", 'set sync_mode to "FORCE"')
    if provider.inputs.get("trustEmail") is not False or provider.inputs.get("storeToken") is not False:
        yield Problem(
            "a provider's mail address is trusted, or its tokens are kept", "set trust_email and store_token to false"
        )


RULES: tuple[AnyRule, ...] = (
    Rule("directory", "The directory is encrypted and read only.", (LDAP,), directory_is_encrypted_and_read_only),
    Rule("login-provider", "Logins at other providers are verified.", (LOGIN_PROVIDER,), provider_is_verified),
)
