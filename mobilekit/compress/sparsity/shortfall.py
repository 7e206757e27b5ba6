"""What is said where fewer groups are zero in the end than were asked for."""

from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import NoEffectError


def shortfall(made: Sparsifier, kind: str, ended: str, share: float = 1.0) -> tuple[str, ...]:
    """Compare what is zero with what was asked for.

    Args:
        made: as it is in the end.
        kind: of the method.
        ended: how the method came to its end, where it could have done more.
        share: of the sparsity that was to be reached, 0–1: a schedule may end below.

    Returns:
        One note, or none where all that was asked for is zero.

    Raises:
        NoEffectError: groups were asked for, and none is zero.
    """
    gone, total = made.count
    asked, reachable = made.counted(share, least=0), made.counted(share)
    if gone >= asked:
        return ()
    reasons = [ended] if gone < reachable else []
    if reachable < asked:
        reasons.append(f"in each layer {made.least:,} stay, or all where there are fewer (least)")
    words = f"asked for {asked:,} of {total:,} groups, {gone:,} are zero: {'; '.join(reasons)}"
    if not gone:
        raise NoEffectError(f"{kind}: {words}")
    return (f"{kind}: {words}",)
