"""Makes www/vendor/ again from the npm registry: python -m tests.www.vendor

Each folder is <name>@<version>/ and holds the listed files of that package, its licence among them, unchanged.
manifest.json has their SHA-256: what is fetched must have them, or nothing is replaced.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[2] / "www" / "vendor"
MANIFEST = VENDOR / "manifest.json"


def manifest() -> dict[str, Any]:
    """{folder: {"package", "licence", "files": {name: {"from": path in the package, "sha256"}}}}"""
    known: dict[str, Any] = json.loads(MANIFEST.read_text())
    return known


def fetched(folder: str, about: dict[str, Any], into: Path) -> Path:
    """The folder as the registry has it now. Raises ValueError for another content."""
    version = folder.rpartition("@")[2]
    subprocess.run(["npm", "pack", "--silent", f"{about['package']}@{version}"], cwd=into, check=True)
    [archive] = into.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    archive.unlink()
    made = into / folder
    made.mkdir()
    for name, file in about["files"].items():
        shutil.copyfile(into / "package" / file["from"], made / name)
        if (found := hashlib.sha256((made / name).read_bytes()).hexdigest()) != file["sha256"]:
            raise ValueError(f"{folder}/{name} has the SHA-256 {found}, {MANIFEST} says {file['sha256']}")
    return made


def main() -> None:
    for folder, about in manifest().items():
        with tempfile.TemporaryDirectory() as into:
            made = fetched(folder, about, Path(into))
            shutil.rmtree(VENDOR / folder, ignore_errors=True)
            shutil.copytree(made, VENDOR / folder)
        print(f"{folder}: {len(about['files'])} files")


if __name__ == "__main__":
    sys.exit(main())
