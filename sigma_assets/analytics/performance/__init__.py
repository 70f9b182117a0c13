"""What a portfolio has earned, at what risk, and against which benchmark."""
