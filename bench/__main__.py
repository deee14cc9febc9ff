"""``python -m bench``: see `bench.cli`."""

from __future__ import annotations

import sys

from bench.base import process

if __name__ == "__main__":
    process.use_huge_pages()

    from bench.cli import main

    sys.exit(main())
