"""`make trust`, with a home folder of its own, and commands that only print how they were called."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import trust
from tests.certificates import self_signed

SITE = "www.meutrabalho.com.br"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with Chromium, Firefox and an authority of the lab."""
    for profile in (".local/share/pki/nssdb", ".mozilla/firefox/abc.default"):
        (tmp_path / "home" / profile).mkdir(parents=True)
        (tmp_path / "home" / profile / "cert9.db").touch()
    (tmp_path / ".lab" / "ca").mkdir(parents=True)
    (tmp_path / trust.AUTHORITY).write_text(self_signed([SITE], permitted=["meutrabalho.com.br"]).certificate)
    (tmp_path / "bin").mkdir()
    for name in ("sudo", "certutil"):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/commands\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(trust, "ROOT", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def commands(home: Path) -> list[str]:
    return (home.parent / "commands").read_text(encoding="utf-8").splitlines()


def test_it_explains_and_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the authority may sign for is part of the explanation: users should know what they agree to."""
    assert trust.main(["explain"]) == 0
    text = capsys.readouterr().out
    assert "valid for   meutrabalho.com.br;" in text
    assert "make trust INSTALL=1" in text
    assert not (home.parent / "commands").exists()


def test_it_installs_for_programs_and_for_every_browser(home: Path) -> None:
    """The system's list needs root, the browsers' are the user's own. An older authority goes first."""
    assert trust.main(["install"]) == 0
    assert commands(home) == [
        f"sudo install -m 644 .lab/ca/ca.crt {trust.SYSTEM}",
        "sudo update-ca-certificates",
        *(
            f"certutil -d sql:{home}/{profile} {action}"
            for profile in (".local/share/pki/nssdb", ".mozilla/firefox/abc.default")
            for action in (f"-D -n {trust.NICKNAME}", f"-A -n {trust.NICKNAME} -t C,, -i .lab/ca/ca.crt")
        ),
    ]


def test_it_is_undone_without_the_authority(home: Path) -> None:
    """make clean may have deleted it."""
    (home.parent / trust.AUTHORITY).unlink()
    assert trust.main(["undo"]) == 0
    assert commands(home)[:2] == [f"sudo rm -f {trust.SYSTEM}", "sudo update-ca-certificates --fresh"]
    assert [line.split()[-5:-3] for line in commands(home)[2:]] == [["-D", "-n"]] * 2


@pytest.mark.parametrize("action", ["explain", "install"])
def test_without_an_authority_it_says_what_to_do(home: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    """The lab speaks plain HTTP unless it is told otherwise."""
    (home.parent / trust.AUTHORITY).unlink()
    assert trust.main([action]) == 1
    assert "Set nginx_tls: lab_ca" in capsys.readouterr().err


def test_without_certutil_nothing_is_half_installed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A browser that refuses what curl accepts is confusing."""
    (home.parent / "bin" / "certutil").unlink()
    assert trust.main(["install"]) == 1
    assert "sudo apt install libnss3-tools" in capsys.readouterr().err
    assert not (home.parent / "commands").exists()
