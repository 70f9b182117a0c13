"""Tests of the onboarding status: what it says, over HTTP and on the page."""
