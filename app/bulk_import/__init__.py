"""Load rows of files into staging tables."""
