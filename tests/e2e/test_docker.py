"""The Dockerfile and compose.yaml, as far as no Docker is needed: what they say fits the project.

The commands that build the wheel and those that look after the health are run as they stand there.
"""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from app.settings import Settings
from tests.e2e.server import ROOT, running, started

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PASSWORD = "POSTGRES_PASSWORD:?put a password into .env, see compose.yaml"


def _stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, and what comes before the first."""
    stages: list[list[tuple[str, str]]] = [[]]
    for line in DockerfileParser(str(ROOT / "Dockerfile")).structure:
        if line["instruction"] == "FROM":
            stages.append([])
        stages[-1].append((line["instruction"], line["value"]))
    return stages


_, WEB, BUILD, FINAL = _stages()
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def _value(name: str) -> str:
    """What the last such instruction of the image says."""
    return [value for instruction, value in FINAL if instruction == name][-1]


def _environment() -> dict[str, str]:
    return dict(
        pair.split("=", 1)
        for instruction, value in FINAL
        if instruction == "ENV"
        for pair in shlex.split(value)
    )


def _copied(stage: list[tuple[str, str]]) -> Iterator[str]:
    """What the instructions of a stage take from the folder of the project."""
    for instruction, value in stage:
        if instruction == "COPY" and not value.startswith("--from="):
            yield from value.split()[:-1]


def test_the_image_is_run_by_nobody_special() -> None:
    user, group = map(int, _value("USER").split(":"))
    assert min(user, group) >= 1_000
    [made] = [value for instruction, value in FINAL if instruction == "RUN"]
    assert f"--uid {user} --gid {group}" in made
    # Whatever is the service's own comes with the packages; no compiler, no source.
    [copied] = [value for instruction, value in FINAL if instruction == "COPY"]
    assert copied.startswith("--from=build /opt/orders/ ")


def test_the_image_runs_the_service() -> None:
    assert json.loads(_value("ENTRYPOINT"))[0] in PROJECT["scripts"]
    assert json.loads(_value("CMD")) == ["serve"]
    assert _value("STOPSIGNAL") == "SIGTERM"
    assert _value("EXPOSE") == _environment()["ORDERS_PORT"]
    images = DockerfileParser(str(ROOT / "Dockerfile")).parent_images
    images = [image for image in images if image.startswith("python:")]
    versions = {tuple(map(int, re.findall(r"\d+", image)[:2])) for image in images}
    oldest = tuple(map(int, re.findall(r"\d+", PROJECT["requires-python"])))
    assert len(versions) == 1
    assert versions.pop() >= oldest


def test_docker_sees_what_is_copied_and_nothing_else() -> None:
    lines = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"
    ]
    assert lines[0] == "*"
    copied = {*_copied(WEB), *_copied(BUILD)}
    assert {line[1:] for line in lines if line.startswith("!")} == {
        name for name in copied if not name.startswith("web/") or name == "web/"
    }
    assert all((ROOT / name).exists() for name in copied)
    # What was made on this machine is made anew.
    assert {"app/static", "web/node_modules"} <= set(lines)


def test_the_image_builds_the_pages() -> None:
    [install, build] = [value for instruction, value in WEB if instruction == "RUN"]
    assert install.startswith("npm ci ")
    assert build == "npm run build"
    [base] = [
        image
        for image in DockerfileParser(str(ROOT / "Dockerfile")).parent_images
        if image.startswith("node:")
    ]
    engines = json.loads((ROOT / "web" / "package.json").read_text())["engines"]
    oldest = re.search(r"\d+", engines["node"])
    found = re.search(r"\d+", base)
    assert oldest
    assert found
    assert int(found[0]) >= int(oldest[0])
    # Where the build of the pages puts them is where the wheel's is told to find them.
    assert ("COPY", "--from=web /src/app/static/ app/static/") in BUILD
    assert ("WORKDIR", "/src/web") in WEB


@pytest.mark.parametrize("service", [None, "migrate", "orders"])
def test_the_settings_are_settings(
    service: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = SERVICES[service]["environment"] if service else _environment()
    for name, value in environment.items():
        if name.startswith("ORDERS_"):
            monkeypatch.setenv(name, str(value).replace(f"${{{PASSWORD}}}", "secret"))
    monkeypatch.chdir(tmp_path)
    settings = Settings.load()
    assert settings.host == "0.0.0.0"  # noqa: S104
    if service:
        assert settings.database_url == "postgresql+asyncpg://orders:secret@database/orders"


def test_there_is_no_password_to_begin_with() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{([^}]*)\}", text)) == {PASSWORD}
    assert SERVICES["database"]["environment"]["POSTGRES_PASSWORD"] == f"${{{PASSWORD}}}"


def test_the_services_wait_for_each_other() -> None:
    begun = {"database": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["depends_on"] == begun
    done = {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["orders"]["depends_on"] == begun | done
    for service in (SERVICES["migrate"], SERVICES["orders"]):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
    assert SERVICES["orders"]["ports"] == [f"127.0.0.1:{_value('EXPOSE')}:{_value('EXPOSE')}"]
    grace_s = int(SERVICES["orders"]["stop_grace_period"].removesuffix("s"))
    fields = Settings.model_fields
    assert grace_s > fields["drain_s"].default + fields["shutdown_timeout_s"].default + 5


def test_the_health_checks_tell_well_from_unwell(tmp_path: Path) -> None:
    alive = json.loads(_value("HEALTHCHECK").split(" CMD ")[1])
    [kind, *ready] = SERVICES["orders"]["healthcheck"]["test"]
    assert kind == "CMD"

    def status(command: list[str], port: str) -> int:
        program, *arguments = command
        assert program == "python"
        arguments = [argument.replace("8000", port) for argument in arguments]
        return subprocess.run(
            [sys.executable, *arguments],
            env={"ORDERS_PORT": port},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    # Without tables it lives, and is not ready.
    with running(tmp_path) as server:
        port = server.url.rsplit(":", 1)[1]
        assert (status(alive, port), status(ready, port)) == (0, 1)
        migrate = [sys.executable, "-m", "app", "migrate"]
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath}
        subprocess.run(migrate, cwd=tmp_path, env=environment, check=True)
        assert (status(alive, port), status(ready, port)) == (0, 0)
    assert (status(alive, port), status(ready, port)) == (1, 1)


def test_the_wheel_that_the_image_installs_works(tmp_path: Path) -> None:
    """All but the locked packages, which come from where the tests have them, and the pages."""
    source, target = tmp_path / "src", tmp_path / "orders"
    source.mkdir()
    for name in _copied(BUILD):
        if name.endswith("/"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("static"))
        else:
            shutil.copy(ROOT / name, source)
    # As in a checkout, where Git's ignoring them keeps files out of wheels.
    shutil.copy(ROOT / ".gitignore", source)
    static = source / "app" / "static"
    for page in ("playground", "desk", "docs", "assets"):
        (static / page).mkdir(parents=True)
        (static / page / "index.html").write_text(f"the {page}")
        (static / page / "index.html.gz").write_bytes(gzip.compress(b"packed"))
    (static / "desk" / "documents.json").write_text("{}")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    venv, packages, wheel = (value for instruction, value in BUILD if instruction == "RUN")
    _run(venv.replace("/opt/orders", str(target)), source, environment)
    assert packages.endswith(" install --require-hashes -r requirements.lock")
    [folder] = target.glob("lib/python*/site-packages")
    (folder / "tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    _run(wheel.replace("/opt/orders", str(target)), source, environment)
    environment = {"PATH": f"{target / 'bin'}{os.pathsep}{os.defpath}"}
    _run("orders migrate", tmp_path, environment)
    assert (tmp_path / "data" / "orders.db").exists()
    assert list(folder.glob("app/_alembic/versions/*.py"))
    assert _run("orders schema export", tmp_path, environment) == (
        (ROOT / "schema.graphql").read_text()
    )
    with started(tmp_path, python=target / "bin" / "python", PYTHONPATH="") as server:
        for encoding, content in (("identity", "the desk"), ("gzip", "packed")):
            desk = httpx.get(f"{server.url}/desk", headers={"Accept-Encoding": encoding})
            assert desk.text == content


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout
