"""Small and large pictures as JPEG, made when they are asked for and kept within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from threading import BoundedSemaphore, Lock
from types import MappingProxyType

from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.thumbnails import fitted, jpeg

SIDES: Mapping[str, int] = MappingProxyType({"small": 224, "large": 1024})
"""Longest sides in pixels, by the name that an address says."""
_KEPT_BYTES = 96 << 20
_QUALITY = 84
_AT_A_TIME = 2
"""A picture of the largest size that is read takes some hundred megabytes while it is decoded."""


class Thumbnails:
    """Pictures made smaller; safe to call from several threads."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_bytes, self._bytes = kept_bytes, 0
        self._kept: OrderedDict[tuple[Hashable, str], bytes] = OrderedDict()
        self._lock = Lock()
        self._decoding = BoundedSemaphore(_AT_A_TIME)

    def get(self, name: Hashable, side: str, where: str, read: Callable[[], bytes]) -> bytes:
        """The picture that `read` returns encoded, as a JPEG of SIDES[side]; `where` names it in errors.

        Raises InputError or IntegrityError as `decode_image` and `read` do.
        """
        with self._lock:
            if (found := self._kept.get((name, side))) is not None:
                self._kept.move_to_end((name, side))
                return found
        with self._decoding:
            made = jpeg(fitted(decode_image(read(), where), SIDES[side]), _QUALITY)
        with self._lock:
            if (name, side) not in self._kept:
                self._kept[name, side] = made
                self._bytes += len(made)
            while self._bytes > self._kept_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made
