"""While a run goes on: its jobs, its health, and what it says at its end."""
