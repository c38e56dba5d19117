"""The command line: one small file a sub-command."""
