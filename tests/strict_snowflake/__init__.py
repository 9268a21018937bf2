"""A Snowflake as strict as the real one where exactness depends on it (docs/snowflake-fake.md)."""

from strict_snowflake.accounts import Account, User, UserType
from strict_snowflake.clock import Clock
from strict_snowflake.faults import Faults
from strict_snowflake.server import StrictSnowflake
from strict_snowflake.stages import Cloud, Encryption, FileView

__all__ = [
    "Account",
    "Clock",
    "Cloud",
    "Encryption",
    "Faults",
    "FileView",
    "StrictSnowflake",
    "User",
    "UserType",
]
