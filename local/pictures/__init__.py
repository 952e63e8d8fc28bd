"""The pictures of the README and of docs/, made by `make picture` from the sample data."""
