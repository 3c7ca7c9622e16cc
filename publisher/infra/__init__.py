"""CloudFormation for what a matrix needs in its account: roles for GitHub's jobs, buckets. Pure: matrix → template.

``scope`` holds the input, ``policies`` what each role may do, ``statements`` what several roles may do; ``roles``,
``staging_buckets`` and ``ledger_bucket`` make the templates, ``template_text`` writes them. A template is a plain dict
in CloudFormation's long form; the key ``#`` holds the comment of a mapping.
"""
