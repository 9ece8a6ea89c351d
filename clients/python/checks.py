"""Runs a client's checks and prints one line about them."""

import sys
import traceback


def run(client, version, checks):
    """Calls every function of a list; exits with 1 if one of them raised."""
    failed = []
    for check in checks:
        try:
            check()
        except Exception:  # a check that fails must not hide the others
            failed.append(check.__name__)
            traceback.print_exc()
    print(f"{client} {version}: {len(checks) - len(failed)} of {len(checks)} checks hold")
    if failed:
        print(f"  failed: {', '.join(failed)}")
        sys.exit(1)
