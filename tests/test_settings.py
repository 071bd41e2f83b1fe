"""Wrong settings stop the program with a line each; every setting is documented."""

import re
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError

ROOT = Path(__file__).resolve().parent.parent


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
        ("ORDERS_LOG_LEVEL", "loud", "ORDERS_LOG_LEVEL: Input should be 'debug'"),
        ("ORDERS_DATABASE_URL", "mysql://x", "ORDERS_DATABASE_URL: must begin with sqlite"),
        ("ORDERS_DATABASE_URL", "sqlite+aiosqlite:///:memory:", "must name a database file"),
    ],
)
def test_wrong_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.load()


def test_unknown_names_in_dotenv_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORDERS_PROT=80\n")
    with pytest.raises(SettingsError, match="unknown setting ORDERS_PROT"):
        Settings.load()


@pytest.mark.parametrize("document", ["README.md", ".env.example"])
def test_every_setting_is_documented_with_its_default(document: str) -> None:
    text = (ROOT / document).read_text()
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        pattern = (
            rf"`ORDERS_{name.upper()}` \| `{re.escape(str(default))}`"
            if document == "README.md"
            else rf"# ORDERS_{name.upper()}={re.escape(str(default))}\n"
        )
        assert re.search(pattern, text), f"{name} is not in {document}"
    assert set(re.findall(r"ORDERS_([A-Z_]+)", text)) <= {n.upper() for n in Settings.model_fields}
