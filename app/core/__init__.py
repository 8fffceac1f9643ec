"""What every other package may use: errors, logging, metrics and small building blocks."""
