"""The response cache: entries, keys, memory and Redis."""
