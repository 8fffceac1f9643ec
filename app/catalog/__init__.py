"""CPUs: specifications, benchmark marks and their import."""
