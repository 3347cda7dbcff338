"""What npm calls the errors that resolving may end with."""

#: what npm calls pmpipe's errors
CODES = {
    "PM_PEER_CONFLICT": "ERESOLVE",
    "PM_NO_MATCHING_VERSION": "ETARGET",
    "PM_PLATFORM": "EBADPLATFORM",
    "PM_ENGINE": "EBADENGINE",
    "PM_OVERRIDE": "EOVERRIDE",
    "PM_REGISTRY": "E404",
    "PM_LOCKFILE": "EMISSINGTARGET",
    # the status of git itself
    "PM_GIT": "128",
}


def npms_code(code: str) -> str:
    """Give npm's name of an error of pmpipe, or pmpipe's own where npm has none."""
    return CODES.get(code, code)
