"""An index of pictures that is asked under conditions: fit once, add conditions, query with weights.

`ConditionalIndex` (conditional_index), the equations by which conditions meet (weighing, removal), what a picture shows by a
condition's texts (explaining).
"""
