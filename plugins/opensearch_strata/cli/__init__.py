"""``strata``: the services from a shell, without Airflow."""


def main() -> None:
    """Run the shell; the entry point of the installed command."""
    from opensearch_strata.cli.app import app
    from opensearch_strata.cli.output import tame_warnings

    tame_warnings()
    app()
