"""Each result as one description of its table: columns, rows, legend. Terminal, page and LaTeX draw any of them."""
