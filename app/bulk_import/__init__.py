"""Files into staging tables."""
