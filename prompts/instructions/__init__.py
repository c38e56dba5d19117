"""Instructions for language models; `$name` stands for what the planner fills in."""
