"""Digests of what repairs manifests: npm's, literally (12.2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from pmpipe.npm.manifests.extension_hash import canonical_json, hash_of_file, hash_of_rules
from pmpipe.npm.texts.javascript_number import number_text

ODD = {
    "é": {
        "peerDependenciesMeta": {
            '\u2028"\\\n\u0001': {
                "y": [1, 2.50, 1e21, 1e-7, -0.0, {"b": True, "a": None}],
                "\U0001f600": "a",
                "\uffee": 1,
            }
        }
    }
}


@pytest.mark.parametrize(
    ("rules", "digest"),
    [
        ({}, "J8dGcK23UHX60FjVzq97IMTneGyDuuijL2Jvl4KvNMmjPCBG72D9Knh403jin+yFGAa72aZ4ePOp8c2kgwdj/Q=="),
        (
            {"b": {}, "a": {"dependencies": {"z": "1", "a": "^2"}}},
            "1FPtvptdIGvqRchDx5z4yMwPd590lmbpryMLrB985J5Qi3oqNGU1P7PVZeJ7dhRsJMwvIE0eIJmePV+xQPrlDw==",
        ),
        (ODD, "UPgXThSWiKPGzIycFWIDW1yQ9VqmAW3MR46XjrPEGSnMguOclkEGV8NT7F9LyacYlc0B3/dfZqRewpSCJz0jjw=="),
    ],
)
def test_rules_have_npms_digest(rules: Any, digest: str) -> None:
    assert hash_of_rules(rules) == f"sha512-{digest}"


def test_keys_stand_in_the_order_of_their_code_units() -> None:
    assert canonical_json({"\uffee": 1, "\U0001f600": 2, "b": {"d": 1, "c": []}}) == '{"b":{"c":[],"d":1},"😀":2,"￮":1}'


def test_a_file_has_npms_digest_which_depends_on_the_kind_of_module() -> None:
    assert hash_of_file("mjs", b"x\n") == (
        "sha512-6JM5U6iAEI3aJ+ClN3kHIjFr2X2GkGTHnFxls6A+afw1Hw6QrSeg2hKbORBT/MTNS5kuEBJfSc8OL48+clokRw=="
    )
    assert hash_of_file("cjs", b"x\n") == (
        "sha512-f79HV2KCOlPE5FqiM8TFfoBl893sLi5oCdJRrJobqjVPE36lg3bthojRKW9bgtAlvFRZE1zsHS734K1B2zp04g=="
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-12, "-12"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (2**53 + 1, "9007199254740992"),
        (123456789012345680000, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (0.000001, "0.000001"),
        (-1.25e-5, "-0.0000125"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (10**400, "null"),
        (float("inf"), "null"),
    ],
)
def test_numbers_are_written_as_by_javascript(number: float, text: str) -> None:
    assert number_text(number) == text
