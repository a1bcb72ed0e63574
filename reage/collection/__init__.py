"""An actor's photographs: which are fit to learn from, how old the actor is, what people see."""
