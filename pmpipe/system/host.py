"""What this host is and how much of it is ours: cores, memory, platform, and where Node.js is.

Everything here is read from the kernel or from small files, without starting a process, except `node_version`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe.npm.packages.platform import Platform
from pmpipe.system.programs import find_program

if TYPE_CHECKING:
    import subprocess

#: Above this many workers of a kind the file system is what is waited for, not the cores.
_MAXIMUM_WORKERS = 16

#: What an extract worker may need beside the shared arena: interpreter, libraries, one inflated package.
_EXTRACT_WORKER_BYTES = 192 * 1024 * 1024

#: What a fresh v1 memory group reports as "no limit": the largest page-aligned signed 64-bit number, or nearly so.
_UNLIMITED_BYTES = 1 << 60

#: Kinds of filesystem that one host has to itself.
_LOCAL_FILESYSTEMS = frozenset(
    ("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)

_ARCHITECTURES = {
    "x86_64": "x64",
    "amd64": "x64",
    "aarch64": "arm64",
    "ppc64le": "ppc64",
    "mipsel": "mipsel",
    "loongarch64": "loong64",
}
_NARROW_ARCHITECTURES = {"x64": "ia32", "arm64": "arm", "i386": "ia32", "i486": "ia32", "i586": "ia32", "i686": "ia32"}


class WorkerCounts(msgspec.Struct, frozen=True):
    """How many processes of each stage a run may start."""

    fetch: int
    extract: int
    clone: int
    link: int


def usable_cores(root: str = "/") -> int:
    """The number of cores that this process can keep busy: its affinity, and the quota of its control groups.

    Args:
        root: where ``proc`` and ``sys`` are mounted.

    Returns:
        at least 1; a quota of one and a half cores counts as 2.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    for group in _control_groups(root, "cpu"):
        quota = _cpu_quota(group)
        if quota is not None:
            cores = min(cores, -int(-quota // 1))
    return max(1, cores)


def memory_limit_bytes(root: str = "/") -> int:
    """The memory that this process may use at most: the host's, or less where a control group says so."""
    limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for group in _control_groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read_text(f"{group}/{name}").strip()
            if text.isdecimal() and int(text) < _UNLIMITED_BYTES:
                limit = min(limit, int(text))
    return limit


def is_on_network(path: str) -> bool:
    """Whether other hosts may see a folder, too; so it counts where the kind of filesystem is unknown or in user space.

    What lies on a block device is this host's, or a cluster filesystem's, whose locks hold for all hosts. That needs no
    list of mounts, and a chroot's lacks what it lies on. Imports psutil (25 ms) for the others.
    """
    if os.major(os.stat(path).st_dev) != 0:
        return False
    import psutil

    real = os.path.realpath(path)
    mounts = (mount for mount in psutil.disk_partitions(all=True) if _lies_in(real, mount.mountpoint))
    # of two with the same path the later one covers the other
    deepest = max(enumerate(mounts), key=lambda found: (len(found[1].mountpoint), found[0]), default=None)
    return deepest is None or deepest[1].fstype not in _LOCAL_FILESYSTEMS


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def worker_counts(cores: int | None = None, memory_bytes: int | None = None) -> WorkerCounts:
    """How many workers of each stage suit this host.

    Args:
        cores: usable cores; measured where it is not given.
        memory_bytes: usable memory; measured where it is not given.

    Returns:
        one fetch process, since libcurl drives hundreds of transfers in one (measured: 2,887 packuments in 0.2 s); as
        many that extract as there are cores and a quarter of the memory carries; as many that clone as cores.
    """
    cores = usable_cores() if cores is None else cores
    memory_bytes = memory_limit_bytes() if memory_bytes is None else memory_bytes
    by_memory = memory_bytes // 4 // _EXTRACT_WORKER_BYTES
    return WorkerCounts(
        fetch=1,
        extract=max(1, min(cores, by_memory, _MAXIMUM_WORKERS)),
        clone=max(1, min(cores, _MAXIMUM_WORKERS)),
        link=1,
    )


def _control_groups(root: str, controller: str) -> Iterator[str]:
    """Folders of the process's control groups that may limit it, from its own up to the mounted root.

    Both hierarchies are looked at: in a hybrid setup either can hold the limit. A container sees its own group as the
    mounted root while its path is the host's; walking up ends there, too.
    """
    for line in _read_text(os.path.join(root, "proc/self/cgroup")).splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mount = os.path.join(root, "sys/fs/cgroup")
        elif controller in controllers.split(","):
            mount = os.path.join(root, "sys/fs/cgroup", controller)
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield "/".join([mount, *parts[:depth]])


def _cpu_quota(group: str) -> float | None:
    """Cores' worth of time that a control group grants, or None where it sets no limit."""
    quota, _, period = _read_text(f"{group}/cpu.max").partition(" ")
    if not quota:
        quota = _read_text(f"{group}/cpu.cfs_quota_us")
        period = _read_text(f"{group}/cpu.cfs_period_us")
    quota, period = quota.strip(), period.strip()
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read_text(path: str) -> str:
    """A small file of the kernel, or an empty string where this kernel or this container has none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def platform(root: str = "/", interpreter: str | None = None) -> Platform:
    """This host in Node.js' words.

    Args:
        root: where ``lib`` and ``usr`` are.
        interpreter: the program whose dynamic loader tells the libc; this Python where it is not given.
    """
    system = node_os(sys.platform)
    libc = _libc(root, interpreter or sys.executable) if system == "linux" else ""
    return Platform(system, node_cpu(os.uname().machine, sys.maxsize > 2**32), libc)


def node_os(name: str) -> str:
    """``process.platform`` for Python's ``sys.platform``."""
    for prefix, node_name in (("sunos", "sunos"), ("freebsd", "freebsd"), ("openbsd", "openbsd"), ("aix", "aix")):
        if name.startswith(prefix):
            return node_name
    return name


def node_cpu(machine: str, is_64_bit: bool) -> str:
    """``process.arch`` for a kernel's name of its machine, as a program of that width sees it."""
    name = _ARCHITECTURES.get(machine.lower(), machine.lower())
    if name.startswith("armv"):
        # a 32-bit kernel's name, or a 64-bit one's (armv8l) as seen through a 32-bit personality
        return "arm"
    return name if is_64_bit and name not in ("i386", "i486", "i586", "i686") else _NARROW_ARCHITECTURES.get(name, name)


def _libc(root: str, interpreter: str) -> str:
    """One of "glibc", "musl" and "": what ldd says of itself, as npm asks it, else the name of a program's loader."""
    ldd = _read_text(os.path.join(root, "usr/bin/ldd"))
    if ldd:
        return "musl" if "musl" in ldd else "glibc" if "GNU C Library" in ldd else ""
    loader = elf_interpreter(interpreter)
    if "ld-musl-" in loader:
        return "musl"
    if "ld-linux" in loader or "/ld64.so" in loader:
        return "glibc"
    try:
        names = os.listdir(os.path.join(root, "lib"))
    except OSError:
        return ""
    return "musl" if any(name.startswith("ld-musl-") for name in names) else ""


def elf_interpreter(path: str) -> str:
    """The dynamic loader that an ELF program names, or an empty string: no ELF file, static, or not readable.

    Source: the ELF specification, program header PT_INTERP (3).
    """
    try:
        with open(path, "rb") as file:
            head = file.read(16 * 1024)
    except OSError:
        return ""
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return ""
    is_64_bit, order = head[4] == 2, "little" if head[5] == 1 else "big"

    def number(offset: int, size: int) -> int:
        return int.from_bytes(head[offset : offset + size], order)  # type: ignore[arg-type]

    word = 8 if is_64_bit else 4
    table, entry_bytes, entries = (
        (number(32, 8), number(54, 2), number(56, 2)) if is_64_bit else (number(28, 4), number(42, 2), number(44, 2))
    )
    for index in range(entries):
        entry = table + index * entry_bytes
        if number(entry, 4) == 3:
            start = number(entry + (8 if is_64_bit else 4), word)
            length = number(entry + (32 if is_64_bit else 16), word)
            return head[start : start + length].rstrip(b"\x00").decode("utf-8", "replace")
    return ""


def node_version(environ: Mapping[str, str]) -> str | None:
    """The version of the Node.js on the PATH, without the leading "v"; None where there is none that answers.

    Starts ``node --version`` (some 40 ms): only for packages with ``engines``.
    """
    program = find_program("node", environ)
    if program is None:
        return None
    import subprocess

    try:
        answered = _ask_version(program, environ)
        if answered.returncode < 0:
            # it was killed; without its version another one of a package might be chosen
            answered = _ask_version(program, environ)
        answered.check_returncode()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return answered.stdout.strip().removeprefix("v") or None


def _ask_version(program: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    import subprocess

    command = [program, "--version"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False, env=dict(environ))
