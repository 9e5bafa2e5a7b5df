"""Accounts, and the keys of one's own."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import views
from innkeeper.panel.api.paging import page_by_id
from innkeeper.panel.api.params import ChangeAccount, CreateAccount, CreateKey, Cursor, Limit, as_utc
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product, signed_in


@get("/accounts", opt=on_product(ProductPermission.ACCOUNTS_READ), tags=["accounts"])
async def list_accounts(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.AccountView]:
    """List accounts."""
    page, following = page_by_id(product.accounts.all(actor), cursor, limit)
    return views.ListView([views.account(item) for item in page], following)


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
    )
    return views.account(made)


@get("/accounts/{account:uuid}", opt=signed_in(), tags=["accounts"])
async def get_account(product: House, actor: Asker, account: FromPath[UUID]) -> views.AccountView:
    """Show one's own account, or with `accounts.read` any."""
    return views.account(product.accounts.get(actor, account))


@patch("/accounts/{account:uuid}", opt=signed_in(), tags=["accounts"])
async def change_account(
    product: House, actor: Asker, account: FromPath[UUID], data: JSONBody[ChangeAccount]
) -> views.AccountView:
    """Change one's own account, or with `accounts.write` any; a new password ends its sessions."""
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
    )
    return views.account(changed)


@delete("/accounts/{account:uuid}", opt=on_product(ProductPermission.ACCOUNTS_WRITE), tags=["accounts"])
async def delete_account(product: House, actor: Asker, account: FromPath[UUID]) -> None:
    """Delete an account that owns no server."""
    await product.accounts.delete(actor, account)


@get("/keys", opt=signed_in(), tags=["keys"])
async def list_keys(
    product: House, actor: Asker, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[views.KeyView]:
    """List one's own API keys."""
    page, following = page_by_id(product.access.keys(actor), cursor, limit)
    return views.ListView([views.key(item) for item in page], following)


@post("/keys", opt=signed_in(), tags=["keys"])
async def create_key(product: House, actor: Asker, data: JSONBody[CreateKey]) -> views.NewKeyView:
    """Make an API key of one's own; its secret is told this once."""
    key, secret = await product.access.create_key(
        actor,
        name=data.name,
        permissions=frozenset(data.permissions) if data.permissions is not None else None,
        networks=tuple(data.networks),
        expires_at=as_utc(data.expires_at) if data.expires_at is not None else None,
    )
    return views.NewKeyView(key=views.key(key), secret=secret)


@delete("/keys/{key:uuid}", opt=signed_in(), tags=["keys"])
async def revoke_key(product: House, actor: Asker, key: FromPath[UUID]) -> None:
    """End one of one's own API keys at once."""
    await product.access.revoke_key(actor, key)


HANDLERS = [
    list_accounts,
    create_account,
    get_account,
    change_account,
    delete_account,
    list_keys,
    create_key,
    revoke_key,
]
