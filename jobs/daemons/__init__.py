"""Long-running tasks of the worker process."""
