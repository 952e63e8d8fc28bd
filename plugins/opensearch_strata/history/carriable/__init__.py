"""What of a raw day no row could carry, or no search sees, looked for before anything depends on it.

Reads only.
"""
