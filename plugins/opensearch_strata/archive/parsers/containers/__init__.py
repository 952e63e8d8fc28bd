"""Logs of containers, of what collects them, and of the control plane of EKS."""
