"""The configuration as frozen dataclasses. Nothing here reads or checks anything."""
