"""Price files: CSV and Parquet."""
