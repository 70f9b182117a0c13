"""Brokers' transactions: what each row does, pays and receives, and the lots and cash flows that they make together."""
