"""Several hosts: workers with host names and addresses of their own, one PostgreSQL, one broker."""
