"""Read-only web: onboarding progress that is true."""
