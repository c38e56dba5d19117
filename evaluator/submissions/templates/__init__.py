"""Templates of the leaderboard."""
