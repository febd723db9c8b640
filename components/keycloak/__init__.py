"""Keycloak: the server, the realm, its clients and users."""
