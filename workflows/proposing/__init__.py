"""A run file for a user's own volume: look into it, propose settings that fit it, write down why."""
