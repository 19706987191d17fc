"""What Sphinx is taught to make of the repository: contents, links, configuration and API."""
