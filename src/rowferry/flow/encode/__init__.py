"""Rows → framed Avro messages, their schema derived from the table."""
