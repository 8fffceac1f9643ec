"""Building blocks that every other package may import: errors, logging, metrics, and clients of shared services."""
