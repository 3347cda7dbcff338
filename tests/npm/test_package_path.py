"""Which paths lie in a folder."""

from hypothesis import given
from hypothesis import strategies as st

from pmpipe.npm.locks.package_path import PackagePath, paths_inside

NAMES = st.sampled_from(["a", "a-b", "a.b", "a0", "b", "node_modules", "@a", "~a", "é"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: PackagePath("/".join(names)))


@given(st.lists(PATHS), PATHS)
def test_what_lies_in_a_folder_begins_with_its_path_and_a_slash(paths, folder):
    paths.sort()
    assert paths_inside(paths, folder) == [path for path in paths if path.startswith(f"{folder}/")]
