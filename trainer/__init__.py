"""trainer: a clip table in, checkpoints and an exported encoder out."""
