"""The code of canary functions. It is uploaded to Lambda unchanged, and no other module imports it."""
