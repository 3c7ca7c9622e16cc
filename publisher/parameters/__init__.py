"""SSM parameters with the ARNs of releases, so that templates of the account need no layer version number.

``{prefix}/{python}/{architecture}/{layer_version}`` for every complete release, ``{prefix}/py{python}/{architecture}/
{version}`` for every package version, and ``…/latest`` in both. Off unless the matrix has ``parameters``.
"""
