"""The page, ``docs/index.html``: one file that finds and copies an ARN, without a server and without a request."""
