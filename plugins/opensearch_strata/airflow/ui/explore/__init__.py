"""The page that asks a dataset's past: what is asked, read from an address, and what is drawn of the answer."""
