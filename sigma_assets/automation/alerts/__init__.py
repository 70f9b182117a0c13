"""Alerts: a failed run is reported to a webhook, by e-mail, or both; as configured."""
