"""What runs when: planner, jobs, schedule, sensors."""
