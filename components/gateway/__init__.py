"""The gateway: nginx, its configuration and the files in its container."""
