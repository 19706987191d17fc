"""Series of runs that measure something: weak scaling."""
