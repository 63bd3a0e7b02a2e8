"""``python -m batch``: the same as ``wbatch``."""

from batch.cli import main

if __name__ == "__main__":
    main()
