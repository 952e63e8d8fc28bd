"""Logs of a machine: syslog, the systemd journal, cloud-init."""
