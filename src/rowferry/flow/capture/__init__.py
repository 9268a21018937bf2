"""PostgreSQL → rows: which rows are new, read each exactly once."""
