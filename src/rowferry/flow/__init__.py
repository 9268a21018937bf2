"""The order a row travels: capture → encode → publish → (Kafka) → receive → stage."""
