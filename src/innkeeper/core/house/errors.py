"""The conditions under which settings of the house are refused."""

from innkeeper.core.errors import Invalid


class HouseSettingIsInvalid(Invalid):
    """This setting of the house cannot have that value."""
