"""Series of runs that measure something: trainings that differ in one thing or two, and weak scaling."""
