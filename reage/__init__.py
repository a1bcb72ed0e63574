"""What a studio means by shot, frame and version; nothing of networks is known here."""
