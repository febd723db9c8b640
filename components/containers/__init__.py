"""Docker objects that every part uses: hardened services, networks, databases, the stack's names and labels."""
