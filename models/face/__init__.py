"""Networks that read faces: apparent age and identity."""
