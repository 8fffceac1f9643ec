"""Functions that arq calls for queued jobs."""
