"""The loops: the only place that knows two stages of the flow at once."""
