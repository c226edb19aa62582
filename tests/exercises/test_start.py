"""`make exercise` brings the lab into its starting state, whatever the student has left."""

from __future__ import annotations

from pathlib import Path

import pytest

import exercises.__main__ as program
from exercises.state import differences
from lab.machines import Lab

ZONE_WITHOUT_ADDRESS = "sed -i '/^www A /d' /etc/bind/db.%s && systemctl reload named"


def start(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Begin exercise 6; return what Python printed after the text of the exercise."""
    assert program.main(["start", "6", f"--folder={folder}"]) == 0
    return capsys.readouterr().out.rpartition("\n---\n")[2]


def test_the_lab_is_mended_saved_and_restored(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is stopped or frozen is started. A changed configuration returns to the snapshot. The sheet stays."""
    if len(lab.tier("redis")) > 1:
        pytest.skip("exercise 6 needs inventory/lab")
    monkeypatch.setenv("LAB_LANG", "en")
    backend, frozen = lab.tier("backends")[:2]
    backend.root_output("systemctl stop %s %s", *reversed(backend.units))
    frozen.root_output("systemctl kill --signal=STOP %s", frozen.service)
    printed = start(tmp_path, capsys)
    assert f"{backend.name}: " in printed
    assert f"{frozen.name}: {frozen.service} is frozen" in printed
    assert "Saving all machines once" in printed
    assert (tmp_path / "06.yml").exists()
    (tmp_path / "06.yml").write_text("failed: 0\n", encoding="utf-8")

    lab.tier("dns")[0].root_output(ZONE_WITHOUT_ADDRESS.replace("%s", lab.domain))
    try:
        assert "Returning all machines to the snapshot" in start(tmp_path, capsys)
    finally:
        lab.everywhere(lambda box: box.disconnect())  # to machines that are gone
    assert differences(lab) == {}
    assert (tmp_path / "06.yml").read_text(encoding="utf-8") == "failed: 0\n"
    assert start(tmp_path, capsys).startswith("The lab is in its starting state.")
