"""How log archives are loaded: the intake of a dataset, which events it takes, and what a person asks of a load."""
