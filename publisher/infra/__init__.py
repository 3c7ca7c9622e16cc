"""CloudFormation for what a matrix needs in its account: roles for GitHub's jobs, buckets. Pure: matrix → template.

``scope`` says what it is about, ``policies`` what each role may do, ``roles``, ``staging`` and ``ledger`` are the
templates, ``text`` writes them. A template is a plain dict in CloudFormation's long form; the key ``#`` holds a
mapping's comment.
"""
