"""What titles say, without a database."""
