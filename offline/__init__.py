"""What replaces official downloads on a restricted network; see README.md here."""
