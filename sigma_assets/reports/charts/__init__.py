"""Shapes of the report's charts, drawn on the server as inline SVG: no script, no request, and they print."""
