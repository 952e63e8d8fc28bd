"""Two engines, one result: both write the same ``_source`` under the same ``_id``.

Know how rows come to be written; not whether they may be.
"""
