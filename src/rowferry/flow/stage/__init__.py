"""Batches → files on a stage: same range, same name, same bytes."""
