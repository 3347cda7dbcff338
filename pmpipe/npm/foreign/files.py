"""Which files are foreign locks, and who reads them."""

from __future__ import annotations

from pmpipe.npm.foreign.pins import Pins

#: In the order in which they count, if a project has several. npm itself reads yarn.lock, so that comes first.
FOREIGN_LOCKS = ("yarn.lock", "pnpm-lock.yaml", "bun.lock")


def read_foreign_lock(data: bytes, file: str) -> Pins:
    """What the lock of another package manager keeps.

    Args:
        data: the file's bytes.
        file: the file's name, one of `FOREIGN_LOCKS`.

    Raises:
        LockfileError: it cannot be read.
    """
    if file == "pnpm-lock.yaml":
        from pmpipe.npm.foreign.pnpm import read_pnpm_lock

        return read_pnpm_lock(data, file)
    if file == "bun.lock":
        from pmpipe.npm.foreign.bun import read_bun_lock

        return read_bun_lock(data, file)
    from pmpipe.npm.foreign.yarn_berry import is_yarn_berry, read_yarn_berry

    if is_yarn_berry(data):
        return read_yarn_berry(data, file)
    from pmpipe.npm.foreign.yarn_classic import read_yarn_classic

    return read_yarn_classic(data, file)


def is_kept_up_to_date(data: bytes, file: str) -> bool:
    """Whether npm writes this lock anew whenever it writes its own: a yarn.lock of yarn 1 that is not empty.

    npm also turns a lock of later versions of yarn into one of yarn 1, by which yarn loses it; that is not done here.
    """
    if file != "yarn.lock" or not data.strip():
        return False
    from pmpipe.npm.foreign.yarn_berry import is_yarn_berry

    return not is_yarn_berry(data)
