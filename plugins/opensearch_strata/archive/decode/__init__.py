"""From bytes to events: removes layers and recognises formats.

Pure except for the blocks that it is given; knows nothing of a dataset beyond its intake.
"""
