"""The tasks of the history audit: choose the datasets, look at every day, restore days that are drawn, report."""
