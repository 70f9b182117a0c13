"""Alerts: failed runs are reported to a webhook, by e-mail, or both."""
