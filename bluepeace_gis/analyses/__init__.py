"""What the questions mean: a package each; pure, no path is opened."""
