"""What the tests of sending share: a source that needs no database, and an own reader of topics."""
