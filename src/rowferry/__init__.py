"""Rowferry carries PostgreSQL rows to Kafka as Avro and on to a Snowflake stage, exactly once."""
