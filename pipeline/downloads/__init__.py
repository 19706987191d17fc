"""Public data sets: fetched from those who publish them, checked, laid out as run files expect them."""
