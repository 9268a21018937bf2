"""Kafka → batches: one consumer group, file boundaries decided once."""
