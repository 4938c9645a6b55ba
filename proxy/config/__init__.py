"""The configuration: what an administrator may write, and how it is read.

``model.py`` has one class per section, ``file.py`` finds and loads the file,
``validation.py`` checks it and words what is wrong.  ``reader.py`` reads it for the
service, which must not wait for a file system that is gone.
"""

from proxy.config.file import find_config, load_config
from proxy.config.model import (
    AttemptsSection,
    Config,
    LimitsSection,
    ListenSection,
    LogSection,
)
from proxy.config.problems import ConfigError, Problem
from proxy.config.tls import TlsPaths, TlsSection
from proxy.config.values import HostPort, parse_host_port

__all__ = [
    "AttemptsSection",
    "Config",
    "ConfigError",
    "HostPort",
    "LimitsSection",
    "ListenSection",
    "LogSection",
    "Problem",
    "TlsPaths",
    "TlsSection",
    "find_config",
    "load_config",
    "parse_host_port",
]
