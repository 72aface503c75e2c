"""Who may do what: keys and tokens, what a route needs, how often a caller may come. It knows no answer of HTTP's."""
