"""What an audit draws by chance and reads in full: archived days, which it restores, and a copy of a day's rows."""
