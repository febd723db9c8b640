"""Metadata of a SAML provider, as its administrators hand them out."""

from __future__ import annotations

from tests.certificates import signed


def metadata(
    *,
    certificates: int = 1,
    use: str = 'use="signing"',
    binding: str = "HTTP-Redirect",
    sign_on: str = "https://login.example.org/saml",
    replaced: tuple[str, str] = ("", ""),
) -> str:
    """Of one provider. `replaced` is a part of it, and what is there instead."""
    keys = "".join(
        f"<md:KeyDescriptor {use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n{_encoded(number)}\n"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for number in range(certificates)
    )
    made = (
        '<?xml version="1.0"?>'
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
        'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="https://login.example.org/entity">'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f'{keys}<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" Location="{sign_on}"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
    return made.replace(*replaced)


def _encoded(number: int) -> str:
    """A certificate, in lines as in the files of Entra ID and ADFS."""
    lines = signed(f"signing {number}").pem.split("-----")[2].split("\n")
    return "\n".join(line for line in lines if line)
