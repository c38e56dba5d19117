"""Random truncations and flipped bytes of a release's files, each verified: how many are accepted (none may be).

python benchmarks/bench_release_faults.py RELEASE --faults 400

Works on a copy. Every file is hit at least once where --faults is large enough; the rest falls on files by lot, half of
it by size, so that shards get their share.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from clay_eval.schemas.release_verify import verify_release

KINDS = ("truncation", "byte flip")


def damaged(data: bytes, kind: str, rng: random.Random) -> bytes:
    """`data` cut at a random place, or with one random bit turned."""
    place = rng.randrange(len(data))
    if kind == "truncation":
        return data[:place]
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def main() -> None:
    """Print a line a kind; exit with 1 if anything was accepted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path)
    parser.add_argument("--faults", type=int, default=400, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    accepted: Counter[str] = Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(options.release, Path(place) / "release"))
        if not verify_release(folder).ok:
            raise SystemExit("this release is not whole to begin with")
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        sizes = [path.stat().st_size for path in files]
        for kind in KINDS:
            for number in range(options.faults):
                if number < len(files):
                    path = files[number]
                else:
                    path = rng.choice(files) if number % 2 else rng.choices(files, sizes)[0]
                kept = path.read_bytes()
                path.write_bytes(damaged(kept, kind, rng))
                if verify_release(folder).ok:
                    accepted[kind] += 1
                    sys.stdout.write(f"accepted: {kind} of {path.relative_to(folder)}\n")
                path.write_bytes(kept)
        if not verify_release(folder).ok:
            raise SystemExit("the faults were not undone")
    for kind in KINDS:
        sys.stdout.write(f"{options.faults} of the kind {kind}: {accepted[kind]} accepted\n")
    sys.stdout.write(f"{len(files)} files, {time.perf_counter() - began:.0f} s\n")
    sys.exit(bool(accepted))


if __name__ == "__main__":
    main()
