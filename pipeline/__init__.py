"""The science of the workflow: plain functions over volumes, with neither Parsl nor a site in sight."""
