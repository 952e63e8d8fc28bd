"""Which rows a part of a question is read from: those of the coarsest level that answers it exactly, or base rows."""
