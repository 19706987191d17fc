"""The documentation: its pages, and how they become a web site."""
