"""Looking at a run: its progress, its state from elsewhere, its tiles."""
