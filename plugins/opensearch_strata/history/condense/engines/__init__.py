"""Two engines with the same result: both write the same ``_source`` under the same ``_id``.

Know how rows are written, but not whether they may be.
"""
