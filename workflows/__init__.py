"""Chain the apps through futures, and talk to the user."""
