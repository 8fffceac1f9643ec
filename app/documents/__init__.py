"""Persisted documents: registry, publishing, validation, usage and warm-up."""
