"""What an actor's nights remember: faces to rehearse and to examine by, and what was forgotten."""
