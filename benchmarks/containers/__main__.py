"""Says whether a container with PostgreSQL runs here, and makes its image.

python -m benchmarks.containers
"""

from __future__ import annotations

import sys

import psycopg

from benchmarks.containers import ContainersUnavailable, container


def main() -> None:
    try:
        with container() as dsn, psycopg.connect(dsn) as connection:
            print(*connection.execute("SELECT version()").fetchone() or ())
    except ContainersUnavailable as error:
        sys.exit(f"CONTAINERS UNAVAILABLE: {error}")


if __name__ == "__main__":
    main()
