"""Hostile bytes for what reads bytes of others; `make soak ARGS="-k fuzz"`."""
