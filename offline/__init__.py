"""Replacements for official downloads on a restricted network; see README.md in this folder."""
