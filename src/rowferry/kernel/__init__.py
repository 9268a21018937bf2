"""Bytes ↔ columns: pure, vectorised, no I/O."""
