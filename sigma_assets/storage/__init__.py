"""Tables, and the only code that speaks SQL to them."""
