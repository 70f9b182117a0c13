"""The price source Massive, formerly Polygon.io."""
