"""Which patch a package gets."""

from __future__ import annotations

import pytest

from pmpipe.errors import PatchError
from pmpipe.npm.manifests.patch_selection import Patchable, PatchSelector, read_selectors, refuse_unused, select_patches


def package(name: str, version: str, *, is_from_registry: bool = True) -> Patchable:
    return Patchable(f"node_modules/{name}", name, version, lambda: is_from_registry)


def chosen(patches: dict[str, str], *packages: Patchable) -> dict[str, str]:
    return dict(select_patches(read_selectors(patches), packages).paths)


def test_a_key_is_a_name_and_perhaps_a_version_or_a_range() -> None:
    assert read_selectors({"a": "1", "a@1.0.0": "2", "@s/b": "3", "@s/b@^1 || 2": "4"}) == (
        PatchSelector("a", "a", None, "1"),
        PatchSelector("a@1.0.0", "a", "1.0.0", "2"),
        PatchSelector("@s/b", "@s/b", None, "3"),
        PatchSelector("@s/b@^1 || 2", "@s/b", "^1 || 2", "4"),
    )


@pytest.mark.parametrize(
    ("version", "patch"),
    [("1.2.3", "exact"), ("1.2.4", "patch"), ("1.9.0", "minor"), ("2.0.0", "name"), ("no-version", "name")],
)
def test_the_most_exact_key_decides(version: str, patch: str) -> None:
    patches = {"a": "name", "a@^1.0.0": "minor", "a@~1.2.0": "patch", "a@1.2.3": "exact", "b": "other"}
    assert chosen(patches, package("a", version)) == {"node_modules/a": patch}


def test_a_prerelease_is_in_no_range_that_does_not_name_it() -> None:
    assert chosen({"a@^1.0.0": "p"}, package("a", "1.1.0-beta.1")) == {}


@pytest.mark.parametrize("order", [("a@>=1.0.0", "a@<2.0.0"), ("a@<2.0.0", "a@>=1.0.0")])
def test_ranges_that_overlap_are_refused(order: tuple[str, str]) -> None:
    with pytest.raises(PatchError, match=r"a@1.5.0 has two patches") as caught:
        chosen(dict.fromkeys(order, "p"), package("a", "1.5.0"))
    assert "a@1.5.0" in caught.value.hint


def test_what_no_registry_has_is_refused() -> None:
    with pytest.raises(PatchError, match="node_modules/a cannot be patched: it does not come from a registry"):
        chosen({"a": "p"}, package("a", "1.0.0", is_from_registry=False))


def test_where_it_comes_from_matters_only_for_what_is_patched() -> None:
    assert chosen({"a": "p"}, package("b", "1.0.0", is_from_registry=False)) == {}


def test_patches_that_fit_nothing_are_refused() -> None:
    selectors = read_selectors({"a@1.0.0": "patches/a.patch", "b": "b.patch", "a@": "c.patch"})
    found = select_patches(selectors, [package("a", "2.0.0"), package("b", "1.0.0")])
    assert [one.key for one in found.unused] == ["a@1.0.0", "a@"]
    with pytest.raises(PatchError, match="has patches for what is not installed") as caught:
        refuse_unused(found.unused)
    assert caught.value.details == ("a@1.0.0 -> patches/a.patch", "a@ -> c.patch")
    refuse_unused(())
