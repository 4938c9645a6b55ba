"""The location service: AOR → bindings, in memory.

One dictionary, so a look-up costs the same for ten AORs and for a hundred thousand.  A
look-up drops expired bindings; ``sweep`` frees those that are never looked up.  An
acknowledged binding is in the store before it comes here.
"""

from collections.abc import Iterable

from proxy.location.binding import Binding, BindingChange, BindingChanges


class LocationService:
    """All live bindings of this process.

    ``wall_offset`` is added to the core's clock to get seconds since the epoch, in
    which bindings expire.  When somebody has set the clock, the caller tells it with
    ``clock_set``, so that the jump ends no registration (decision 45).
    """

    __slots__ = ("_by_aor", "wall_offset")

    def __init__(self) -> None:
        self._by_aor: dict[str, list[Binding]] = {}
        self.wall_offset = 0.0

    def __len__(self) -> int:
        """How many bindings are held, including expired ones that were not looked up
        since."""
        return sum(map(len, self._by_aor.values()))

    @property
    def aors(self) -> int:
        """How many AORs have bindings."""
        return len(self._by_aor)

    def load(self, bindings: Iterable[Binding]) -> None:
        """Hold exactly these bindings from now on."""
        by_aor: dict[str, list[Binding]] = {}
        for binding in bindings:
            known = by_aor.get(binding.aor)
            if known is None:
                by_aor[binding.aor] = [binding]
            else:
                known.append(binding)
        for several in by_aor.values():
            if len(several) > 1:
                several.sort(key=_preference)
        self._by_aor = by_aor

    def has(self, aor: str) -> bool:
        """Whether an AOR has bindings, including expired ones not looked up since."""
        return aor in self._by_aor

    def live(self, aor: str, now: float) -> list[Binding]:
        """The bindings of an AOR at ``now`` (the core's clock), best first.

        The highest q first (RFC 3261 section 16.6), and among equals the newest: the
        RFC leaves their order to us.  The caller must not change the list.
        """
        bindings = self._by_aor.get(aor)
        if bindings is None:
            return []
        wall = now + self.wall_offset
        for binding in bindings:
            if binding.expires_at <= wall:
                return self._without_expired(aor, bindings, wall)
        return bindings

    def _without_expired(
        self, aor: str, bindings: list[Binding], wall: float
    ) -> list[Binding]:
        left = [b for b in bindings if b.expires_at > wall]
        if left:
            self._by_aor[aor] = left
        else:
            del self._by_aor[aor]
        return left

    def apply(self, changes: BindingChanges) -> None:
        """Take over changes that have been saved.  All are of one AOR."""
        aor = changes[0].aor
        by_key = {b.key: b for b in self._by_aor.get(aor, ())}
        for change in changes:
            if change.after is None:
                by_key.pop(change.key, None)
            else:
                by_key[change.key] = change.after
        if not by_key:
            self._by_aor.pop(aor, None)
            return
        bindings = list(by_key.values())
        if len(bindings) > 1:
            bindings.sort(key=_preference)
        self._by_aor[aor] = bindings

    def take_over(self, changes: BindingChanges) -> None:
        """Take over changes, of any AORs, that another process has saved.  News older
        than what is bound here changes nothing."""
        for change in changes:
            after = change.after
            if after is not None:
                for known in self._by_aor.get(change.aor, ()):
                    if known.key == change.key and _is_later(known, after):
                        break
                else:
                    self.apply([change])
            elif change.aor in self._by_aor:
                self.apply([change])

    def clock_set(self, by: float, now: float, longest: float) -> list[BindingChange]:
        """The wall clock was set by ``by`` seconds at ``now``; returns the changes.

        When it was set forward, every contact keeps the time that it had left.  When it
        was set back, the ends stay, so a contact has more time left, but never more
        than ``longest``, the most that is ever granted.  They are not moved back,
        because other machines, whose clocks were right, may have written some.
        """
        self.sweep(now)  # by the clock as it was before
        self.wall_offset += by
        latest = now + self.wall_offset + longest
        later = max(by, 0.0)
        changes: list[BindingChange] = []
        for aor, bindings in self._by_aor.items():
            moved = [_moved(each, later, latest) for each in bindings]
            changes += [
                BindingChange(aor, after.key, after)
                for before, after in zip(bindings, moved, strict=True)
                if after is not before
            ]
            self._by_aor[aor] = moved
        return changes

    def holds(self, binding: Binding) -> bool:
        """True as long as no newer binding has replaced this very one."""
        return binding in self._by_aor.get(binding.aor, ())

    def sweep(self, now: float) -> int:
        """Free every expired binding; returns how many."""
        wall = now + self.wall_offset
        before = len(self)
        for aor, bindings in list(self._by_aor.items()):
            if any(b.expires_at <= wall for b in bindings):
                self._without_expired(aor, bindings, wall)
        return before - len(self)


def _moved(binding: Binding, later: float, latest: float) -> Binding:
    """The same binding with another end, not after ``latest``."""
    expires_at = min(binding.expires_at + later, latest)
    if expires_at == binding.expires_at:
        return binding
    return binding.ending(expires_at)


def _is_later(known: Binding, told: Binding) -> bool:
    """Whether the client has registered again since ``told`` (section 10.3 item 7)."""
    return known.call_id == told.call_id and known.cseq > told.cseq


def best_first(bindings: Iterable[Binding]) -> list[Binding]:
    """The order in which contacts of one AOR are tried."""
    return sorted(bindings, key=_preference)


def _preference(binding: Binding) -> tuple[float, float]:
    return -binding.q, -binding.registered_at
