"""Mappings of the columns of brokers' files: one YAML document per broker, and what reads them."""
