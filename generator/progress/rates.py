"""How fast a run goes and how long it will take, from when shards were finished and what their journals say since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .counting import FolderState

WINDOW_SECONDS = 600.0
_LEAST_SECONDS = 2.0


def samples_a_second(
    folders: Sequence[FolderState], sizes: Mapping[str, int], now: float, window: float = WINDOW_SECONDS
) -> float | None:
    """Samples that reached their end, a second, over the last `window` seconds; None where nothing is known.

    sizes: samples of each shard. Folders are drawn at the same time, and so their rates add up.
    """
    rates = [rate for one in folders if (rate := _rate(one, sizes, now, window))]
    return sum(rates) if rates else None


def _rate(folder: FolderState, sizes: Mapping[str, int], now: float, window: float) -> float:
    """A finished shard counts by the share of its span that lies in the window.

    Its span begins where a worker became free: with k at work, when the k-th shard before it was finished, or when drawing
    began.
    """
    if folder.began is None or folder.finished:
        return 0.0
    since = max(now - window, folder.began)
    if now - since < _LEAST_SECONDS:
        return 0.0
    done = sorted(
        (state.at, sizes.get(name, 0))
        for name, state in folder.shards.items()
        if state.at is not None and not state.drawing and folder.began <= state.at <= now
    )
    workers = max(1, sum(state.drawing for state in folder.shards.values()))
    total = 0.0
    for number, (end, samples) in enumerate(done):
        begin = done[number - workers][0] if number >= workers else folder.began
        if end > since:
            total += samples * (end - max(begin, since)) / max(end - begin, 1e-9)
    for state in folder.shards.values():
        total += sum(since <= at <= now for at in state.times)
    return total / (now - since)
