"""A libpq connection string as the URLs that SQLAlchemy's drivers take."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL


def sqlalchemy_url(dsn: str, driver: str) -> str:
    """The URL of the same database. A socket folder is no host name, so it stands in the query."""
    parts = conninfo_to_dict(dsn)
    host = str(parts["host"])
    port = int(parts.get("port") or 5432)
    is_socket = host.startswith("/")
    url = URL.create(
        f"postgresql+{driver}",
        username=parts.get("user"),
        password=parts.get("password"),
        host=None if is_socket else host,
        port=None if is_socket else port,
        database=str(parts["dbname"]),
        query={"host": host, "port": str(port)} if is_socket else {},
    )
    return url.render_as_string(hide_password=False)
