"""Send one request to AWS: within the rate limit, logged, with its errors translated to the gateway's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from publisher.aws.error_codes import BOTO_ERRORS, BotoError, is_missing, translate_error
from publisher.aws.gateway import GatewayError, Throttled, Unavailable
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import LoggedRequest, RequestLog
from publisher.aws.response_parser import INVALID


class Caller:
    """Sends the requests to one region."""

    def __init__(
        self,
        region: str,
        pace: TokenBucket,
        journal: RequestLog,
        error_of: Callable[[BotoError], GatewayError] = translate_error,
    ) -> None:
        self._error_of = error_of
        self._region = region
        self._pace = pace
        self._journal = journal

    def __call__(self, method: Callable[..., Any], *, missing: Any = None, **arguments: Any) -> Any:
        """Send a request. If the resource does not exist, return ``missing``, or raise if that is None."""
        self._pace.take()
        started = time.monotonic()
        error: GatewayError | None = None
        request_id = None
        try:
            response = method(**arguments)
            request_id = response.get("ResponseMetadata", {}).get("RequestId")
            return response
        except BOTO_ERRORS as failure:
            if missing is not None and isinstance(failure, ClientError) and is_missing(failure):
                request_id = failure.response.get("ResponseMetadata", {}).get("RequestId")
                return missing
            error = self._error_of(failure)
            raise error from None
        except INVALID as failure:
            error = Unavailable(f"the response of AWS cannot be parsed ({type(failure).__name__})")
            raise error from None
        finally:
            self._journal.record(
                LoggedRequest(
                    region=self._region,
                    operation=method.__name__,
                    layer_name=arguments.get("LayerName"),
                    seconds=round(time.monotonic() - started, 3),
                    request_id=error.request_id if error else request_id,
                    error=error.message if error else None,
                    throttled=isinstance(error, Throttled),
                )
            )
