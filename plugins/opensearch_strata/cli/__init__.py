"""``strata``: the workflows on the command line, without Airflow."""


def main() -> None:
    """Run the command line; the entry point of the installed command."""
    from opensearch_strata.cli.app import app
    from opensearch_strata.cli.output import INTERRUPTED, end_at_once, tame_warnings

    tame_warnings()
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            end_at_once()
        raise
