"""Messages about releases on an SNS topic (``announce:`` in the matrix), to which teams subscribe."""
