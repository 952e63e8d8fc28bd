"""Logs that MySQL and MariaDB write: general, slow, error and audit."""
