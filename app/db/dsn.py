"""URLs of PostgreSQL: as the driver takes them, and as a person may see them."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def dsn_of(url: str) -> str:
    """The URL as the driver knows it, with all of its parameters, TLS among them."""
    return "postgresql" + url[url.index("://") :]


def place_of(url: str) -> str:
    """The hosts and the database: without user, password and parameters."""
    parts = urlsplit(url)
    named = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    # Whatever stands before the last @ may be a password, even where it is written wrongly.
    hosts, _, name = (parts.netloc + parts.path).rpartition("@")[2].partition("/")
    hosts = unquote(hosts)
    if not hosts and "host" in named:
        ports = named.get("port", "").split(",")
        pairs = zip(named["host"].split(","), _repeated(ports), strict=False)
        hosts = ",".join(f"{host}:{port}" if port else host for host, port in pairs)
    name = named.get("dbname") or named.get("database") or unquote(name)
    return f"{hosts or 'the local server'}/{name}"


def _repeated(ports: list[str]) -> list[str]:
    """One port is that of all hosts."""
    return ports if len(ports) > 1 else ports * 100


def missing_file(url: str) -> str:
    """The parameter that names a file of TLS which is not there, and the file; empty if all are."""
    for name, values in parse_qs(urlsplit(url).query).items():
        path = Path(values[-1]).expanduser()
        if name in _FILES and not path.is_file():
            return f"{name}={values[-1]}"
    return ""
