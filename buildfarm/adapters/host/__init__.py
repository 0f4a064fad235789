"""Sessions on the machine itself: processes in a fresh folder, inside bubblewrap where that works."""
