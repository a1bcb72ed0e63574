"""Networks: tensors in, tensors out; nothing of frames, shots or files is known here."""
