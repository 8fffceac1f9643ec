"""Listings come in by themselves: pages are fetched safely, and understood as offers."""
