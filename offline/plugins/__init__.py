"""Stand-ins for the official Pulumi resource plugins on a restricted network (see offline/README.md)."""
