"""The local stack: real parts without Docker or root, for the demo, the tests and own work."""
