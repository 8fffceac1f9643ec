"""Functions that arq calls: for queued jobs and on a schedule."""
