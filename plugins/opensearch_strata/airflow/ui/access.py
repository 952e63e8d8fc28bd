"""Who may see a page: the only module that uses Airflow's authentication, which is no public interface.

A FastAPI app of a plugin inherits no authentication (apache/airflow#72655): every route would be open to anybody. So
the whole app depends on :func:`reader`, and each route that shows a dataset asks whether the caller may read its DAG.
Where a name of Airflow is missing, importing this module fails, and then nothing at all is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, HTTPException, Request, status


@dataclass(frozen=True)
class Reader:
    """Somebody who has signed in to Airflow.

    :param user: Airflow's
    :param request: that the caller sent
    """

    user: Any
    request: Request

    def may_read(self, dag_id: str) -> bool:
        """Whether the caller may read a DAG, by the rules of Airflow's auth manager. Asks its database: not for an
        event loop.
        """
        try:
            requires_access_dag("GET", None, dag_id)(self.request, self.user)
        except HTTPException as refused:
            if refused.status_code in (status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN):
                return False
            raise
        return True

    def readable(self, dag_ids: Iterable[str]) -> set[str]:
        """Those of some DAGs that the caller may read. Asks Airflow's database: not for an event loop."""
        return {dag_id for dag_id in dag_ids if self.may_read(dag_id)}

    def require(self, dag_id: str) -> None:
        """Refuse whoever may not read a DAG, whether it exists or not. Asks Airflow's database: not for an event loop.

        :raises HTTPException: 403
        """
        if not self.may_read(dag_id):
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"You may not read the DAG {dag_id}, so you see none of it.")


def reader(request: Request, user: Annotated[Any, Depends(get_user)]) -> Reader:
    """Whoever sends a request, with a bearer token or the cookie of Airflow's UI; anybody else gets 401."""
    return Reader(user, request)
