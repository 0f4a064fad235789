"""The ledger in SQL: SQLite by default, in memory for tests and trials; the statements are PostgreSQL's too."""
