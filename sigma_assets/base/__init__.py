"""What everything stands on: errors, conventions, the calendar, matrices of prices."""
