"""The arq worker: thin functions over the domains of `app`."""
