"""Result frames as tables in the terminal: at most 100 columns wide, plain text where they are piped."""
