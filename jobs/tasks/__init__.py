"""Functions that arq calls."""
