"""Parts of an answer for which nothing is merged: each row of history is one record, so rows are only fetched."""
