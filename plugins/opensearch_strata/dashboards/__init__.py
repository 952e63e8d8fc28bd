"""Dashboards made from a dataset's definition: saved objects of OpenSearch Dashboards, and a dashboard of Grafana.

Knows the fields of rows and levels and how two programs describe charts; asks a cluster nothing. Only ``applying``
sends something, and only ``made`` writes files.
"""
