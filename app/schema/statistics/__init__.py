"""GraphQL side of the catalogue statistics."""
