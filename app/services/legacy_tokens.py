"""Keys of the legacy shop: JSON Web Tokens signed with a secret that both sides know.

Source: wire contract, "Beside the four paths": `{"user": {"id", "admin"}}` by HS256, for ten hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from jwt.algorithms import HMACAlgorithm
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain import clock
from app.domain.ids import UserId, parse_object_id

_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class LegacyClaims:
    """What a good token says about its bearer, and until when; None is beyond the calendar."""

    user_id: UserId
    is_admin: bool
    expires_at: datetime | None


class LegacyTokens:
    """Reads the tokens that were signed with one of some secrets; with none, no token is good."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        # The token has no say in how it is checked.
        self._jws = jwt.PyJWS(algorithms=[_ALGORITHM])
        self._jws.unregister_algorithm(_ALGORITHM)
        self._jws.register_algorithm(_ALGORITHM, _AnyLength(HMACAlgorithm.SHA256))

    def read(self, token: str) -> LegacyClaims | None:
        """A token's claims; None when it is no token, not signed by us, expired or malformed."""
        for secret in self._secrets:
            try:
                payload = self._jws.decode(token, secret, [_ALGORITHM])
            except jwt.PyJWTError:
                continue
            return _claims(payload)
        return None


class _AnyLength(HMACAlgorithm):
    """HMAC with a secret as short as the legacy shop's is: there is no choosing a longer one."""

    def check_key_length(self, key: bytes) -> None:
        return None


class _User(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str
    # Anything else than JSON's true is no administrator; it does not spoil the token.
    admin: object = None


class _Payload(BaseModel):
    model_config = ConfigDict(strict=True)

    user: _User
    exp: float = Field(allow_inf_nan=False)
    nbf: float = Field(0, allow_inf_nan=False)


def _claims(payload: bytes) -> LegacyClaims | None:
    try:
        claims = _Payload.model_validate_json(payload)
    except ValidationError:
        return None
    user_id = parse_object_id(claims.user.id)
    if user_id is None or not claims.nbf <= clock.now().timestamp() < claims.exp:
        return None
    try:
        expires_at = datetime.fromtimestamp(claims.exp, UTC)
    except (OverflowError, ValueError, OSError):
        expires_at = None
    return LegacyClaims(UserId(user_id), claims.user.admin is True, expires_at)
