"""From events to documents: parsed, shaped, dated, and given their ids.

Pure, and where a loader spends its time.
"""
