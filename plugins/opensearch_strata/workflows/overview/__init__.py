"""How a dataset stands, day by day, for whoever looks at it: what the pages in Airflow's UI show.

Only reads, and asks no more than an audit asks before it reads any document.
"""
