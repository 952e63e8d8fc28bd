"""Commands about archives: raw days to S3, and objects of S3 to raw days."""
