"""Job queue: state, progress and results of background jobs, stored in PostgreSQL."""
