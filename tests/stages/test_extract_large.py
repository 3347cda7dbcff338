"""What extracting large tarballs takes in memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.packages import make_package

from stages.arena import create_arena, write_into
from stages.extract import make_handler
from stages.messages import ArchiveLimits, Extract, Extracted, IntegrityText, JobId, SharedBytes

LIMITS = ArchiveLimits(entries=100, one_file=1 << 30, all_files=1 << 30, ratio=2_000)
CONTENT = random.Random(2).randbytes(12 << 20)


@pytest.mark.parametrize("offset", [0, 12_345])
def test_a_large_tarball_in_the_arena_does_not_stay_in_memory_of_who_extracts_it(tmp_path: Path, offset: int) -> None:
    tarball = make_package("p", "1.0.0", {"a.bin": CONTENT}).tarball
    arena = create_arena()
    around = b"neighbour" * 2_000
    write_into(arena, 0, around[:offset] + tarball + around)
    job = Extract(
        job=JobId(7),
        label="p@1.0.0",
        source=SharedBytes(offset, len(tarball)),
        integrity=IntegrityText(""),
        store=str(tmp_path),
        key="",
        limits=LIMITS,
        durable=False,
    )
    before = shared_memory_bytes()
    (result,) = make_handler(arena)(job)
    assert isinstance(result, Extracted)
    assert shared_memory_bytes() - before < len(tarball) / 4
    assert (Path(result.entry) / "a.bin").read_bytes() == CONTENT
    # it is only this process that does not have it any more
    assert arena[: offset + len(tarball) + len(around)] == around[:offset] + tarball + around


def shared_memory_bytes() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssShmem")]
    return int(line.split()[1]) << 10
