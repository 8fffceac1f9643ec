"""Fixtures, builders and clients that tests of several folders use."""
