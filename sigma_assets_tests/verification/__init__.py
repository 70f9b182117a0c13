"""Would a sceptic believe the numbers? Planted truth, published figures, second opinions, identities, fuzz, checks."""
