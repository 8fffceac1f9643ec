"""Compile and execute GraphQL operations."""
