"""Fetch pages of untrusted URLs safely."""
