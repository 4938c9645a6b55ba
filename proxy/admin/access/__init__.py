"""Who may use the console, and how far: tokens, people, roles and scopes."""
