"""Guarantees across processes: workers, API processes and servers that fail during their work."""
