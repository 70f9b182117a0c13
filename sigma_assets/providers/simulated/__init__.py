"""A made-up market with known betas."""
