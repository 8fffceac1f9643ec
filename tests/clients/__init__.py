"""Unmodified npm packages of GraphQL clients against the running server."""
