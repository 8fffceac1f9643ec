"""Listings (offers) of CPUs, their prices over time and their import."""
