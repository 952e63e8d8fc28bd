"""Pages in Airflow's UI: how each dataset stands, and what each of its days is.

They only show. What changes anything is one of Airflow's own forms, to which they lead.
"""
