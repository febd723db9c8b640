"""The machine's own images, where no image registry can be reached."""
