"""What is measured on: seeded documents and archives, the server they go to, and what people use in place of Strata.

Measures nothing itself."""
