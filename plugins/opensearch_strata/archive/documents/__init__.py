"""From events to documents: parses and shapes them, reads their times, and gives them their ids.

Pure. This is where a loader spends its time.
"""
