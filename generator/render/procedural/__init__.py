"""Drawing code for the demonstration entities: exact labels, milliseconds a picture."""
