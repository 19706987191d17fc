"""Before a run: what would run and why, what it costs, and which tiles would cost less."""
