"""The canary: a real function on each published layer, created, invoked, compared with the ledger, and deleted.

``cell_selection`` selects the cells, ``trial`` tries one, ``canary_run`` all of them. ``function_port`` is the port to
Lambda, ``function_client`` its implementation. ``function`` is the code of the functions, ``verdict`` compares results.
"""
