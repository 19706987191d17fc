"""What a run is told to do: read the run file, apply presets, fill in what it leaves open."""
