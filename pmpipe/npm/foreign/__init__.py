"""Lockfiles of other package managers, read for the versions that they keep.

Every reader takes the file's bytes and gives `Pins`; nothing here does I/O. What stands where:

``yarn_classic``  yarn.lock of yarn 1, as npm itself reads it
``yarn_berry``    yarn.lock of yarn 2 and later
``pnpm``          pnpm-lock.yaml
``bun``           bun.lock
"""
