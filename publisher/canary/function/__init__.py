"""What a canary function runs. It is sent to Lambda as it is, and imported by nothing here."""
