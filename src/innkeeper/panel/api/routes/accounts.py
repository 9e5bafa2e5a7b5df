"""Accounts, what proves one's own a second time, and keys."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import views
from innkeeper.panel.api.paging import page_by_id
from innkeeper.panel.api.params import (
    ChangeAccount,
    ConfirmSecondFactor,
    CreateAccount,
    CreateKey,
    Cursor,
    DisableSecondFactor,
    Limit,
    OfAccount,
    RenewRecoveryCodes,
    as_utc,
)
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product, signed_in
from innkeeper.panel.product import Product


@get("/accounts", opt=on_product(ProductPermission.ACCOUNTS_READ), tags=["accounts"])
async def list_accounts(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.AccountView]:
    """List accounts."""
    page, following = page_by_id(product.accounts.all(actor), cursor, limit)
    return views.ListView([views.account(product, item) for item in page], following)


@post("/accounts", opt=on_product(ProductPermission.ACCOUNTS_WRITE), tags=["accounts"])
async def create_account(product: House, actor: Asker, data: JSONBody[CreateAccount]) -> views.AccountView:
    """Make an account."""
    made = await product.accounts.create(
        actor,
        username=data.username,
        password=data.password,
        email=data.email,
        superuser=data.superuser,
        given_name=data.given_name,
        family_name=data.family_name,
        country=data.country,
        currency=data.currency,
        referral=data.referral,
        most_servers=data.most_servers,
        disabled=data.disabled,
        permissions=frozenset(data.permissions),
        limits=data.limits,
        manager_id=account_id(product, data.manager),
        language=data.language,
        theme=data.theme,
        hints=data.hints,
    )
    return views.account(product, made)


@get("/accounts/{account:uuid}", opt=signed_in(), tags=["accounts"])
async def get_account(product: House, actor: Asker, account: FromPath[UUID]) -> views.AccountView:
    """Show one's own account, one that one manages, or with `accounts.read` any."""
    return views.account(product, product.accounts.get(actor, account))


@patch("/accounts/{account:uuid}", opt=signed_in(), tags=["accounts"])
async def change_account(
    product: House, actor: Asker, account: FromPath[UUID], data: JSONBody[ChangeAccount]
) -> views.AccountView:
    """Change one's own account, one that one manages, or with `accounts.write` any; a new password ends sessions."""
    changed = await product.accounts.change(
        actor,
        account,
        email=data.email,
        password=data.password,
        current_password=data.current_password,
        superuser=data.superuser,
        disabled=data.disabled,
        given_name=data.given_name,
        family_name=data.family_name,
        country=data.country,
        currency=data.currency,
        most_servers=data.most_servers,
        username=data.username,
        permissions=frozenset(data.permissions) if data.permissions is not None else None,
        limits=data.limits,
        manager_id=UNSET if isinstance(data.manager, UnsetType) else account_id(product, data.manager),
        language=data.language,
        theme=data.theme,
        hints=data.hints,
    )
    return views.account(product, changed)


@delete("/accounts/{account:uuid}", opt=signed_in(), tags=["accounts"])
async def delete_account(product: House, actor: Asker, account: FromPath[UUID]) -> None:
    """Delete an account that owns no server: with `accounts.write`, or one's own where the house allows that."""
    await product.accounts.delete(actor, account)


@get("/accounts/{account:uuid}/limits", opt=signed_in(), tags=["accounts"])
async def get_limits(product: House, actor: Asker, account: FromPath[UUID]) -> views.UsedView:
    """Show how much an account used of what is limited."""
    found = product.accounts.get(actor, account)
    return views.UsedView(limits=found.limits, used=product.accounts.counts(found))


@delete("/accounts/{account:uuid}/sessions", opt=signed_in(), tags=["accounts"])
async def end_sessions(product: House, actor: Asker, account: FromPath[UUID]) -> None:
    """End every session and token of one's own account, or with `accounts.write` of another; API keys stay."""
    await product.accounts.invalidate_tokens(actor, product.accounts.get(actor, account).id)


@delete(
    "/accounts/{account:uuid}/second-factor", opt=on_product(ProductPermission.ACCOUNTS_WRITE), tags=["second factor"]
)
async def reset_second_factor(product: House, actor: Asker, account: FromPath[UUID]) -> None:
    """Turn off the second factor of somebody else who lost it."""
    await product.accounts.second_factors.reset(actor, account)


@get("/second-factor", opt=signed_in(), tags=["second factor"])
async def get_second_factor(product: House, actor: Asker) -> views.SecondFactorView:
    """Say whether signing in takes a one-time code, and how many recovery codes are left."""
    state = await product.accounts.second_factors.state(actor)
    return views.SecondFactorView(on=state.on, recovery_codes_left=state.recovery_codes_left)


@post("/second-factor", opt=signed_in(), tags=["second factor"])
async def begin_second_factor(product: House, actor: Asker) -> views.NewSecondFactorView:
    """Make a secret for a device of one's own; it is told this once, and counts when it is confirmed."""
    uri, secret = await product.accounts.second_factors.begin(actor)
    return views.NewSecondFactorView(uri=uri, secret=secret)


@post("/second-factor/confirm", opt=signed_in(), tags=["second factor"], status_code=200)
async def confirm_second_factor(
    product: House, actor: Asker, data: JSONBody[ConfirmSecondFactor]
) -> views.RecoveryCodesView:
    """Turn one's second factor on by a first code of the device."""
    return views.RecoveryCodesView(await product.accounts.second_factors.confirm(actor, data.code))


@post("/second-factor/recovery-codes", opt=signed_in(), tags=["second factor"], status_code=200)
async def renew_recovery_codes(
    product: House, actor: Asker, data: JSONBody[RenewRecoveryCodes]
) -> views.RecoveryCodesView:
    """Make new recovery codes, by a code or the password; those before are void."""
    codes = await product.accounts.second_factors.renew_recovery_codes(actor, password=data.password, code=data.code)
    return views.RecoveryCodesView(codes)


@post("/second-factor/disable", opt=signed_in(), tags=["second factor"], status_code=204)
async def disable_second_factor(product: House, actor: Asker, data: JSONBody[DisableSecondFactor]) -> None:
    """Turn one's second factor off, by the password."""
    await product.accounts.second_factors.disable(actor, data.password)


@get("/keys", opt=signed_in(), tags=["keys"])
async def list_keys(
    product: House, actor: Asker, account: OfAccount = None, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.KeyView]:
    """List one's own API keys, or those of an account that may do no more than oneself, on no server."""
    whose = product.accounts.get(actor, account) if account is not None else None
    page, following = page_by_id(product.access.keys(actor, whose), cursor, limit)
    return views.ListView([views.key(item) for item in page], following)


@post("/keys", opt=signed_in(), tags=["keys"])
async def create_key(product: House, actor: Asker, data: JSONBody[CreateKey]) -> views.NewKeyView:
    """Make an API key of one's own, or of an account that may do no more than oneself; its secret is told this once."""
    key, secret = await product.access.create_key(
        actor,
        name=data.name,
        permissions=frozenset(data.permissions) if data.permissions is not None else None,
        networks=tuple(data.networks),
        expires_at=as_utc(data.expires_at) if data.expires_at is not None else None,
        account=product.accounts.get(actor, data.account) if data.account is not None else None,
    )
    return views.NewKeyView(key=views.key(key), secret=secret)


@delete("/keys/{key:uuid}", opt=signed_in(), tags=["keys"])
async def revoke_key(product: House, actor: Asker, key: FromPath[UUID]) -> None:
    """End one of one's own API keys at once, or of an account that may do no more than oneself."""
    await product.access.revoke_key(actor, key)


def account_id(product: Product, uuid: UUID | None) -> int | None:
    """Return the row id of an account, None for none; raise NoSuchAccount."""
    if uuid is None:
        return None
    found = product.authority.id_of(uuid)
    if found is None:
        raise NoSuchAccount
    return found


HANDLERS = [
    list_accounts,
    create_account,
    get_account,
    change_account,
    delete_account,
    get_limits,
    end_sessions,
    reset_second_factor,
    get_second_factor,
    begin_second_factor,
    confirm_second_factor,
    renew_recovery_codes,
    disable_second_factor,
    list_keys,
    create_key,
    revoke_key,
]
