"""The page: built, served, and used in a browser."""
