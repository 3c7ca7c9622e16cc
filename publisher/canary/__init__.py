"""The canary: a real function on each published layer, made, invoked, compared with the ledger, removed again.

``select`` says which cells, ``trial`` tries one, ``run`` all of them; ``port`` is what they ask of Lambda, with boto3
behind it in ``boto``; ``function`` is what the functions run, ``compare`` what is made of their answers.
"""
