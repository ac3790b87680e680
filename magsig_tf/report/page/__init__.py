"""The report: one page that reads like a short paper, its figures and tables as files. Loads Jinja2 when it writes."""
