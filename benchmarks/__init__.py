"""Speed and quality, measured: figures in `results/`, each with machine, date and commit."""
