"""The read-only web server: onboarding progress that is true."""
