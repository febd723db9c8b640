"""The script that mounts the data volume, with programs that stand in for those of the machine."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scripts import ASSETS, program

SCRIPT = (ASSETS / "machine/data-volume.sh").read_text()


@dataclass(frozen=True)
class Machine:
    """A machine with nothing but the programs that the script calls."""

    folder: Path

    @property
    def device(self) -> Path:
        """The volume; a link to a device that every machine has, as nothing is done to it."""
        return self.folder / "volume"

    @property
    def fstab(self) -> Path:
        return self.folder / "fstab"

    @property
    def called(self) -> list[str]:
        """Programs that were called, with their arguments."""
        file = self.folder / "called"
        return file.read_text().splitlines() if file.exists() else []

    def boot(self, *, holds: int = 2, mounted: bool = False, formats: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the script. `holds` is blkid's exit code: 0 where it finds something, 2 where it finds nothing."""
        for name, code in {"mountpoint": int(not mounted), "blkid": holds, "mkfs.ext4": formats, "mount": 0}.items():
            program(self.folder / "bin", name, f'echo "{name} $*" >>"{self.folder}/called"; exit {code}')
        program(self.folder / "bin", "sleep", f'echo sleep >>"{self.folder}/called"')
        here = SCRIPT.replace("/etc/fstab", str(self.fstab)).replace("/var/lib/docker", str(self.folder / "docker"))
        return subprocess.run(
            ["/bin/sh", "-c", f"DEVICE={self.device}\n{here}"],
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    (tmp_path / "fstab").write_text("# as it was\n")
    return Machine(tmp_path)


@pytest.fixture
def attached(machine: Machine) -> Machine:
    """A machine whose volume is there."""
    blocks = [path for path in Path("/dev").iterdir() if path.is_block_device()]
    if not blocks:
        pytest.skip("no block device on this machine to point to")
    machine.device.symlink_to(blocks[0])
    return machine


def test_empty_volume_gets_a_file_system_and_is_mounted(attached: Machine) -> None:
    assert attached.boot(holds=2).returncode == 0
    where = attached.folder / "docker"
    assert attached.called == [
        f"mountpoint -q {where}",
        f"blkid -p {attached.device}",
        f"mkfs.ext4 -q -m 1 -L ohif-data {attached.device}",
        f"mount {where}",
    ]
    assert where.is_dir()


def test_volume_that_holds_something_is_never_formatted(attached: Machine) -> None:
    assert attached.boot(holds=0).returncode == 0
    assert not [call for call in attached.called if call.startswith("mkfs")]
    assert attached.called[-1].startswith("mount ")


@pytest.mark.parametrize("code", [1, 4, 8, 127])
def test_volume_of_which_nobody_knows_what_it_holds_is_not_formatted(attached: Machine, code: int) -> None:
    """blkid(8): 2 is nothing found, 8 is that it found several, 4 wrong usage; 127 is no blkid."""
    assert attached.boot(holds=code).returncode != 0
    assert not [call for call in attached.called if call.startswith(("mkfs", "mount "))]


def test_next_boot_finds_it_mounted_and_does_nothing(attached: Machine) -> None:
    assert attached.boot(mounted=True).returncode == 0
    assert [call.split()[0] for call in attached.called] == ["mountpoint"]


def test_it_is_in_fstab_once_and_no_boot_hangs_on_it(attached: Machine) -> None:
    for _ in range(2):
        attached.boot(holds=0)
    first, *lines = attached.fstab.read_text().splitlines()
    assert first == "# as it was"
    ((device, where, kind, options, _, check),) = (line.split() for line in lines)
    assert (device, where, kind, check) == (str(attached.device), str(attached.folder / "docker"), "ext4", "2")
    assert {"nofail", "noatime"} <= set(options.split(","))


def test_volume_that_cannot_be_formatted_is_not_mounted(attached: Machine) -> None:
    assert attached.boot(formats=1).returncode == 1
    assert not [call for call in attached.called if call.startswith("mount ")]


def test_volume_that_never_comes_is_an_error_after_ten_minutes(machine: Machine) -> None:
    done = machine.boot()
    assert done.returncode == 1
    assert done.stderr == f"data volume {machine.device} is not attached\n"
    assert machine.called.count("sleep") == 600
    assert not [call for call in machine.called if call.startswith(("mkfs", "mount "))]
