"""New objects into raw days, as a queue tells of them: passes over the queue, sweeps, and how it stands."""
