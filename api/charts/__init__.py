"""Charts as SVG, drawn on the server: without a script, in the page's colours, and told in words as well."""
