"""Job handlers: what each kind of job does."""
