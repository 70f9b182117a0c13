"""Why a stored number is what it is (SPEC 4.15)."""
