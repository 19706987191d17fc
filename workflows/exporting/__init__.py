"""What `ffn export` writes: which volume is meant, and shapes of segments."""
