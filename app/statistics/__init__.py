"""Figures about the catalogue as a whole."""
