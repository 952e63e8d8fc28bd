"""The material of the measurements: seeded documents and archives, their server, and what people use without Strata.

Measures nothing itself."""
