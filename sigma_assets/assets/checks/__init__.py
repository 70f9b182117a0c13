"""Asset checks: is every table complete, as the schema promises, and true to the identities of the domain?"""
