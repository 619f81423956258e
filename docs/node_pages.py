"""Write docs/nodes/: a page for each of Weft's node classes, and an index by category.

    python docs/node_pages.py [--check]

What `weft nodes NAME --markdown` says of each, without the packs and folders of whoever runs it; pages of classes that
are gone are removed. With --check nothing is written, and the exit code is 1 where a page is not up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from weft.engine.describing.catalogue import Catalogue
from weft.engine.describing.pages import pages
from weft.engine.schema.packs import Packs
from weft.engine.schema.registry import Registry

FOLDER = Path(__file__).resolve().parent / "nodes"
COMMAND = "python docs/node_pages.py"


def made() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    (own,) = (pack for pack in Packs.installed() if pack.name == "builtin")
    registry = Registry()
    registry.adopt(own)
    return pages(Catalogue(registry.schemas(), own.common), COMMAND)


def stale(texts: dict[str, str]) -> list[str]:
    """The names of the files that are not as they should be."""
    there = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    return sorted(name for name in there.keys() | texts.keys() if there.get(name) != texts.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="say which pages are not up to date; write nothing")
    check = parser.parse_args().check
    texts = made()
    changed = stale(texts)
    FOLDER.mkdir(exist_ok=True)
    for name in changed:
        print(FOLDER / name)
        if check:
            continue
        if name in texts:
            (FOLDER / name).write_text(texts[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
