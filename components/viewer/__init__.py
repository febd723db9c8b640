"""The OHIF viewer and its configuration."""
