"""What can be seen from outside: log events, metrics, lag."""
