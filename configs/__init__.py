"""Ready run files, each with its command and what to expect of it; a package, so that they are installed."""
