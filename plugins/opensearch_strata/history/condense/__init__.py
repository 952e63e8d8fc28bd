"""Raw day to rows, without ever making the history poorer.

Writes rows; whether they are right is for `history.verify` to say.
"""
