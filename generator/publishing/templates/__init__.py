"""Templates of the texts of a release."""
