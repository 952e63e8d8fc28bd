"""The history's second copy in S3: days written there, months made from there."""
