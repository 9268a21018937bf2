"""The proof that nothing is missing, repeated or changed, from what is really there."""
