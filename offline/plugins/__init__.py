"""Stand-ins for official Pulumi resource plugins where these cannot be fetched (see offline/README.md)."""
