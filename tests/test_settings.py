"""Wrong settings stop the program with a line each; every setting is documented."""

import re
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMFww\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_override_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_PORT", "9000")
    assert Settings.load().port == 9000
    assert Settings.load(port=9001, host=None).port == 9001


def test_dotenv_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ORDERS_PORT=9000\nORDERS_HOST=0.0.0.0\nOTHER=1\n")
    monkeypatch.setenv("ORDERS_PORT", "9001")
    assert (Settings.load().host, Settings.load().port) == ("0.0.0.0", 9001)  # noqa: S104


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ORDERS_PROT", "80", "unknown setting ORDERS_PROT"),
        ("ORDERS_PORT", "http", "ORDERS_PORT: Input should be a valid integer"),
        ("ORDERS_PORT", "70000", "ORDERS_PORT: Input should be less than or equal to 65535"),
        ("ORDERS_BODY_LIMIT_BYTES", "102399", "greater than or equal to 102400"),
        ("ORDERS_LOG_LEVEL", "loud", "ORDERS_LOG_LEVEL: Input should be 'debug'"),
        ("ORDERS_DATABASE_URL", "mysql://x", "ORDERS_DATABASE_URL: must begin with sqlite"),
        ("ORDERS_DATABASE_URL", "sqlite+aiosqlite:///:memory:", "must name a database file"),
        ("ORDERS_DATABASE_URL", "postgresql://host", "must name a database after the host"),
        ("ORDERS_DATABASE_URL", "postgresql://host/x?ssl=1", "sslmode=require in place of ssl="),
        ("ORDERS_DATABASE_URL", "postgresql://host/x?sslmode=on", "as sslmode: disable, allow,"),
        ("ORDERS_DATABASE_LISTEN_URL", "http://host/x", "must begin with postgresql://"),
        ("ORDERS_DATABASE_REPLICA_URL", "postgresql://h/o", "SQLite has no replicas"),
        ("ORDERS_DATABASE_REPLICA_URL", "sqlite+aiosqlite:///x.db", "must begin with postgresql"),
        ("ORDERS_LEGACY_JWT_SECRET", "", "ORDERS_LEGACY_JWT_SECRET: must not be empty"),
        ("ORDERS_LEGACY_JWT_SECRET", " ", "ORDERS_LEGACY_JWT_SECRET: must not be empty"),
        ("ORDERS_LEGACY_JWT_SECRET", '["a", ""]', "ORDERS_LEGACY_JWT_SECRET: must not be empty"),
        ("ORDERS_LEGACY_JWT_SECRET", "[]", "must be a secret, or a JSON list such as"),
        ("ORDERS_LEGACY_JWT_SECRET", "[a]", "must be a secret, or a JSON list such as"),
        ("ORDERS_LEGACY_JWT_SECRET", '["a", 1]', "must be a secret, or a JSON list such as"),
        ("ORDERS_LEGACY_JWT_SECRET", PUBLIC_KEY, "must be a shared secret"),
        ("ORDERS_REST_SUNSET", "", "ORDERS_REST_SUNSET: must be a date or time such as"),
        ("ORDERS_REST_SUNSET", "1830340800", "ORDERS_REST_SUNSET: must be a date or time such"),
        ("ORDERS_REST_DEPRECATION", "2027-02-30", "ORDERS_REST_DEPRECATION: must be a date"),
        ("ORDERS_REST_DEPRECATION", "0001-01-01T00:00+09:00", "must be a date or time such as"),
    ],
)
def test_wrong_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.load()


def test_legacy_secrets_are_one_or_a_list_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, secrets in (
        ('comma, "quote"', ['comma, "quote"']),
        ('["new", "old"]', ["new", "old"]),
    ):
        monkeypatch.setenv("ORDERS_LEGACY_JWT_SECRET", value)
        settings = Settings.load()
        assert [secret.get_secret_value() for secret in settings.legacy_jwt_secret] == secrets
        assert not any(secret in repr(settings) for secret in secrets)
        assert not any(secret in settings.model_dump_json() for secret in secrets)


@pytest.mark.parametrize("name", ["ORDERS_DATABASE_URL", "ORDERS_DATABASE_LISTEN_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret/1@host/orders",
        "postgresql://u:1/secret@host/orders",
        "postgresql://u:1?secret@host/orders",
        "postgresql://u:1#secret@host/orders",
        "postgresql://u:a@secret@host/orders",
        "postgresql://u:a@host:secret/orders",
        "postgresql://u:a℀secret@host/orders",
        "postgresql://u:[secret@host/orders",
        "postgresql://host/orders?password=a&secret",
        "postgresql://host/orders?sslmode=secret",
    ],
)
def test_a_url_that_cant_be_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        Settings.load()
    assert "secret" not in str(refused.value)


def test_a_database_password_is_not_shown() -> None:
    url = "postgresql://u:gehe%2Fim@host/orders"
    settings = Settings.load(database_url=url, database_listen_url=url)
    assert settings.database_url == settings.database_listen_url == url
    assert "gehe" not in repr(settings)


@pytest.mark.parametrize(
    ("deprecation", "sunset", "allowed"),
    [
        ("2027-06-30", "2027-06-30T00:00:00Z", True),
        ("2027-06-30", "2027-06-30T00:00:00+00:01", False),
        ("2027-06-30T12:00", "2027-06-30", False),
        ("2027-06-30", "2028-01-01", True),
    ],
)
def test_sunset_is_not_before_deprecation(
    monkeypatch: pytest.MonkeyPatch, deprecation: str, sunset: str, allowed: bool
) -> None:
    monkeypatch.setenv("ORDERS_REST_DEPRECATION", deprecation)
    monkeypatch.setenv("ORDERS_REST_SUNSET", sunset)
    if allowed:
        assert Settings.load().rest_sunset is not None
    else:
        message = "ORDERS_REST_SUNSET: must not be earlier than ORDERS_REST_DEPRECATION"
        with pytest.raises(SettingsError, match=f"^{message}$"):
            Settings.load()


def test_unknown_names_in_dotenv_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORDERS_PROT=80\n")
    with pytest.raises(SettingsError, match="unknown setting ORDERS_PROT"):
        Settings.load()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a${HOME}b$HOME", "a${HOME}b$HOME"),
        ('it\'s, "so"#1', 'it\'s, "so"#1'),
        (" spaces round it \t", "spaces round it"),
        ("what # is left", "what"),
        ("'what # is left'", "what # is left"),
        (r"'it\'s \\ \n'", r"it's \ \n"),
        ('["new # 1", "old"]', None),
        ('\'["new # 1", "old"]\'', ("new # 1", "old")),
    ],
)
def test_values_in_dotenv(tmp_path: Path, line: str, value: str | tuple[str, ...] | None) -> None:
    (tmp_path / ".env").write_text(f"\ufeff# a comment\r\nORDERS_LEGACY_JWT_SECRET={line}\r\n")
    if value is None:
        with pytest.raises(SettingsError, match="must be a secret, or a JSON list"):
            Settings.load()
        return
    secrets = tuple(s.get_secret_value() for s in Settings.load().legacy_jwt_secret)
    assert secrets == (value if isinstance(value, tuple) else (value,))


@pytest.mark.parametrize(
    "line", ["OTHER='x", 'ORDERS_HOST="x', "ORDERS_PORT 80", "ORDERS_PORT", "ORDERS_HOST='a'b"]
)
def test_a_line_of_dotenv_that_cant_be_read_stops(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"OTHER\n\n\n{line}\nORDERS_PORT=9000\n")
    message = r"^\.env: line 4 can't be read: write NAME=value, and close each quote$"
    with pytest.raises(SettingsError, match=message):
        Settings.load()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_dotenv_in_another_encoding_stops(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_bytes("# é\nORDERS_PORT=9000\n".encode(encoding))
    with pytest.raises(SettingsError, match=r"^\.env is not in UTF-8$"):
        Settings.load()


def test_a_folder_called_dotenv_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert Settings.load().port == 8000


@pytest.mark.parametrize("document", ["README.md", ".env.example"])
def test_every_setting_is_documented_with_its_default(document: str) -> None:
    text = (ROOT / document).read_text()
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        if default in {None, ()}:
            default = ""
        shown = rf"`{re.escape(str(default))}`" if default != "" else "none"
        pattern = (
            rf"`ORDERS_{name.upper()}` \| {shown} "
            if document == "README.md"
            else rf"# ORDERS_{name.upper()}={re.escape(str(default))}\n"
        )
        assert re.search(pattern, text), f"{name} is not in {document}"
    assert set(re.findall(r"ORDERS_([A-Z_]+)", text)) <= {n.upper() for n in Settings.model_fields}
