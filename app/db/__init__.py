"""PostgreSQL access: connections, sessions, transactions, notifications and tables."""
