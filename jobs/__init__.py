"""The worker process: queued jobs, scheduled jobs, and daemons that react to commits."""
