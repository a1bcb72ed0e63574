"""One retryable step each: references in, references out."""
