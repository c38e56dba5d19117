"""Arrays, subspaces, projections, and how similarities of several conditions meet."""
