"""From a message to fields: one small module per kind of log, found by name in the registry."""
