"""GraphQL side of the CPU catalogue."""
