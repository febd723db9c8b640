"""The public entrance: DNS records, certificate, and the origin once the gateway answers."""
