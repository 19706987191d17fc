"""How the ranks of a training are started by any launcher, meet each other, and end together."""
