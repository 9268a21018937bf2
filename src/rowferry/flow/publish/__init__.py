"""Messages → Kafka: rows and position in one transaction, one owner a table."""
