"""StyleGAN2: mapping, synthesis, discriminator, and the published checkpoints of them."""
