"""Ask whether what is installed has known weaknesses; fail only if it has.

Where the advisories cannot be reached nothing is found out, and that is said.
"""

import json
import subprocess
import sys
from typing import Any


def main() -> int:
    """Run pip-audit on this environment; give the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    done = subprocess.run([*command, "--timeout=10"], capture_output=True, text=True, check=False)
    text, status = judge(done.stdout)
    sys.stdout.write(f"pip-audit: {text}\n")
    return status


def judge(report: str) -> tuple[str, int]:
    """Give a sentence about a report of pip-audit, and the exit status."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except ValueError:
        packages = []
    asked = [package for package in packages if "vulns" in package]
    if not asked:
        return "the advisories cannot be reached; NOTHING was audited.", 0
    found = [
        f"{package['name']} {package['version']}: {weakness['id']}, "
        f"mended in {', '.join(weakness['fix_versions']) or 'no version'}"
        for package in asked
        for weakness in package["vulns"]
    ]
    if found:
        return "\n".join(["known weaknesses", *found]), 1
    unknown = len(packages) - len(asked)
    return f"no known weakness in {len(asked)} packages; nothing is known of {unknown}.", 0


if __name__ == "__main__":
    sys.exit(main())
