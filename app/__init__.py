"""Dealmark: the GraphQL server that knows what a CPU is worth."""
