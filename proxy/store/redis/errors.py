"""What Redis and the way to it complain about, in sentences that say what to do."""

from redis import exceptions

from proxy.store.errors import StoreError
from proxy.store.redis.scripts import LOST


class RedisAway(StoreError):
    """This Redis cannot be reached at the moment, by any call."""

    def __init__(self, text: str) -> None:
        super().__init__(text, is_passing=True)
        self.is_away = True


def store_error(place: str, error: Exception) -> StoreError:
    """The error of the store for an error of redis-py; ``place`` without a password."""
    text = str(error)
    told = f"the Redis store {place} {_sentence(error, text)}"
    if _is_away(error, text):
        return RedisAway(told)
    return StoreError(told, is_passing=_may_pass(error, text))


def _is_away(error: Exception, text: str) -> bool:
    if isinstance(error, exceptions.AuthenticationError):
        return False
    away = (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.ClusterDownError,
        OSError,
    )
    return isinstance(error, away) or text.startswith("LOADING")


def _may_pass(error: Exception, text: str) -> bool:
    """Redis answers and refuses, for a reason that may pass: memory, disk, a
    failover."""
    passing = exceptions.OutOfMemoryError, exceptions.ReadOnlyError
    return isinstance(error, passing) or any(
        _says(text, word) for word in ("OOM", "READONLY", "MISCONF", "NOREPLICAS")
    )


def _says(text: str, word: str) -> bool:
    """Redis 6 puts the error of a command inside that of the script that gave it."""
    return text.startswith(word) or f"-{word} " in text


def _sentence(error: Exception, text: str) -> str:
    match error:
        case exceptions.AuthenticationError():
            return (
                "refuses our user or password: check the user and password in url of "
                'section [store] with "ACL LIST" of Redis'
            )
        case exceptions.NoPermissionError():
            return _NO_PERMISSION.format(text)
        case exceptions.BusyLoadingError():
            return "is still loading its data: it will be back by itself"
        case exceptions.ReadOnlyError():
            return _REPLICA
        case exceptions.ClusterDownError():
            return f"has lost a part of its cluster ({text}): it may heal by itself"
        case exceptions.AskError():
            return "is a node of a cluster: write redis+cluster:// in url"
        case exceptions.OutOfMemoryError():
            return _NO_MEMORY
        case exceptions.TimeoutError():
            return f"does not answer in time{_AMBIGUOUS}"
        case exceptions.ConnectionError() | OSError():
            return f"cannot be reached ({text}){_AMBIGUOUS}"
    if text.startswith(LOST):
        return LOST_DATA
    if _says(text, "OOM"):
        return _NO_MEMORY
    if _says(text, "READONLY"):
        return _REPLICA
    if any(words in text for words in _REFUSED_IN_SCRIPT):
        return _NO_PERMISSION.format(text)
    if _says(text, "NOREPLICAS"):
        return (
            "has fewer replicas than its min-replicas-to-write and takes no change: "
            "start the replicas"
        )
    if _says(text, "MISCONF"):
        return "cannot write to its disk: see its log, free space, check its directory"
    if text.startswith("WRONGTYPE"):
        return 'holds keys "{waypost}:..." of something else: use another database'
    return f"does not work: {text}"


_NO_PERMISSION = (
    "does not let our user do this ({}): give it "
    '"~{{waypost}}:* +@all -@admin -@dangerous" with ACL SETUSER'
)
_REFUSED_IN_SCRIPT = (
    "ACL failure in script",  # Redis 7 and Valkey
    "executing the script can't",  # Redis 6
    "NOPERM",
)
"""A right that is missing inside a script comes as an error without a kind."""
_REPLICA = "is a replica and cannot be written: name the master in url"
_NO_MEMORY = "has no memory left: raise maxmemory (policy noeviction)"
_AMBIGUOUS = (
    ": start Redis or mend the network; a change that was under way may have been "
    "made, so look before you make it again"
)
NOT_CONFIRMED = (
    "has made the change, but no replica says that it has it: a failover could lose "
    "it, so look before you make it again, and see to the replicas"
)
LOST_DATA = (
    "is not the store that was opened, it has been emptied or replaced: restore its "
    "append-only file, or restart waypost if that is what you want"
)
