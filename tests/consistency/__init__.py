"""Guarantees that hold across processes: workers, API processes and servers that die in the middle of their work."""
