"""What people use today, set up as their own documentation says."""
