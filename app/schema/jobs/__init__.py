"""GraphQL side of jobs: type, loader, queries and the progress subscription."""
