"""Import requests: sessions, rows and their progress."""
