"""What a process holds in RAM, as Linux tells."""

from pathlib import Path

_RESET_PEAK = "5"


def forget_peak(pid: int) -> None:
    """Have the peak counted from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def peak_mib(pid: int) -> float:
    """The most that it has held, in MiB."""
    return _mib(pid, "VmHWM:")


def held_mib(pid: int) -> float:
    """What it holds now, in MiB."""
    return _mib(pid, "VmRSS:")


def _mib(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(name)[2].split()[0]) / 1_024
