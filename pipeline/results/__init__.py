"""What makes a rerun safe: files published whole, records of what made them, and one owner a run folder."""
