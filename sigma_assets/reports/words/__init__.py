"""The report in words: its figures and tables, in the order and form in which terminal and page show them."""
