"""Backups of everything that lasts, in a restic repository."""
