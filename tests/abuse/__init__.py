"""Attacks on a real server process in production settings, and what another client sees meanwhile."""
