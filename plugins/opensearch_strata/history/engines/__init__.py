"""Two engines, one result: both write the same ``_source`` under the same ``_id``."""
