"""The index template for producers of raw days: what it says, and which others it would take the place of."""
