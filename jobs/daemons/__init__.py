"""Loops that run for the lifetime of a worker and react to notifications of commits."""
