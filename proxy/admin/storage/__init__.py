"""The store as a whole: backup, restore, and whether it is well."""
