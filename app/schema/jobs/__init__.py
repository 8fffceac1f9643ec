"""GraphQL side of jobs."""
