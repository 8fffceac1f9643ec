"""Access to PostgreSQL: tables, statements, snapshots, transactions and notifications."""
