"""SSM parameters that hold the ARNs of releases, so that templates of the account need not name a number.

``{prefix}/{python}/{architecture}/{layer_version}`` for every complete release, and ``…/latest`` for the newest of
them. Off unless the matrix has ``parameters``.
"""
