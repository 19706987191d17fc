"""The machine that this process is on: its processors, and processes that end with their parents."""
