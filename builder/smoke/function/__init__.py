"""Code inside a smoke test's Lambda function, run by the target's interpreter. It imports nothing of this program."""
