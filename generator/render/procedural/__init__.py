"""Drawing code for the demonstration entities: exact labels, milliseconds a picture."""

from .draw import ProceduralRenderer, draw

__all__ = ["ProceduralRenderer", "draw"]
