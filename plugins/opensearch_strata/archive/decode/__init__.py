"""From bytes to events: layers taken off, formats found.

Pure but for the blocks that it is handed; knows no dataset beyond its intake.
"""
