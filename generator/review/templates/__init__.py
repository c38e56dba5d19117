"""Templates of the contact sheets."""
