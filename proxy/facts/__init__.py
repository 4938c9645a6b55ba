"""What the Lync deployment says about itself, and whether it fits our endpoints.

``document`` reads the file of config/powershell/Get-WaypostFacts.ps1, ``model`` holds
it, ``check`` asks every rule.  Pure: bytes and values in, steps out.
"""
