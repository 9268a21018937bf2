"""`python -m fuzz TARGET FOLDER [libFuzzer's flags]`: run one target until it fails, or time is up.

atheris.Fuzz() ends the process, with an exit code that says whether it found anything.
"""

import importlib
import sys
from pathlib import Path
from typing import Any


def main(target: str, folder: Path, flags: list[str]) -> None:
    """See above; seeds, what is found, and what fails are in the folder."""
    atheris: Any = importlib.import_module("atheris")  # few machines have its wheel
    with atheris.instrument_imports(include=["rowferry"]):
        from fuzz.targets import TARGETS
    chosen = TARGETS[target]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(chosen.seeds):
        (corpus / f"seed{place}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={folder}/", *flags], chosen.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
