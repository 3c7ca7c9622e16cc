"""What runs inside a smoke's Lambda function, by the target's own interpreter. It imports nothing of ours."""
