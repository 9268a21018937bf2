"""The kinds of login to Snowflake that need no browser, by the names that its clients use."""

from enum import StrEnum


class Login(StrEnum):
    """How we prove to Snowflake who we are."""

    PASSWORD = "SNOWFLAKE"  # noqa: S105 - a name, as the next
    KEY_PAIR = "SNOWFLAKE_JWT"
    ACCESS_TOKEN = "PROGRAMMATIC_ACCESS_TOKEN"  # noqa: S105
    OAUTH = "OAUTH"
    CLIENT_CREDENTIALS = "OAUTH_CLIENT_CREDENTIALS"
    WORKLOAD_IDENTITY = "WORKLOAD_IDENTITY"

    @classmethod
    def _missing_(cls, value: object) -> "Login | None":
        upper = str(value).upper()
        return next((login for login in cls if login.value == upper), None)
