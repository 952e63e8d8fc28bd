"""From a message to fields: one small module for each kind of log, found by name in the registry."""
