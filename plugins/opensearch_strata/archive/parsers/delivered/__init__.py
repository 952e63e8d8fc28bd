"""Logs that AWS's services deliver to buckets themselves, each as its service documents it."""
