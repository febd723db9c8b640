"""oauth2-proxy: signs users in at Keycloak and keeps their sessions."""
