"""The tasks of ``archive_arrivals``, from messages of a queue to raw days."""
