"""Automation: planner, jobs, schedule, sensors, alerts."""
